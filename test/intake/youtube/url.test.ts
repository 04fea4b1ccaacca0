/** Which links are taken, and what strangers cannot put into them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseYoutubeUrl } from '../../../src/intake/youtube/url.js';

const HOSTS = ['www.youtube.com', 'youtu.be', '127.0.0.1:8080', '[::1]:8080'];
const parse = (text: string) => parseYoutubeUrl(text, HOSTS);

describe('a link to a video', () => {
  it('is taken when its host is allowed', () => {
    for (const url of [
      'https://www.youtube.com/watch?v=dQw4w9WgXcQ',
      'https://www.youtube.com/watch?v=dQw4w9WgXcQ&list=RDdQw4w9WgXcQ&t=1s',
      'https://www.youtube.com/shorts/dQw4w9WgXcQ',
      'http://youtu.be/dQw4w9WgXcQ',
      'http://127.0.0.1:8080/song.mp3',
      'http://[::1]:8080/song.mp3',
    ]) {
      assert.equal(parse(url), url);
    }
  });

  it('is understood as browsers do, so that nobody understands it otherwise later', () => {
    assert.equal(
      parse(' HTTPS://WWW.YouTube.com:443/watch?v=a\n'),
      'https://www.youtube.com/watch?v=a',
    );
    assert.equal(parse('https://www.you\ttube.com/a b'), 'https://www.youtube.com/a%20b');
    assert.equal(parse('https:\\\\youtu.be\\a'), 'https://youtu.be/a');
  });

  it('has no fragment any more, by which yt-dlp could be told what to do', () => {
    const smuggled = encodeURIComponent('{"http_headers": {"Host": "metadata"}}');
    assert.equal(parse(`https://youtu.be/a#__youtubedl_smuggle=${smuggled}`), 'https://youtu.be/a');
  });

  it('is not to another host, in whatever form', () => {
    for (const url of [
      'https://example.org/watch?v=dQw4w9WgXcQ',
      'https://www.youtube.com.example.org/',
      'https://www.youtube.com./watch',
      'https://example.org/https://www.youtube.com/',
      'https://example.org#@www.youtube.com/',
      'https://example.org?www.youtube.com',
      'https://example.org\\@www.youtube.com/',
      'https://www.youtube.com:8443/watch',
      'http://www.youtube.com:443/watch',
      'http://127.0.0.1/',
      'http://127.0.0.1:8081/',
      'http://localhost:8080/',
      'http://2130706433/',
      'http://0177.0.0.1/',
      'http://0x7f.1/',
      'http://127.1/',
      'http://[::1]/',
      'http://[::ffff:127.0.0.1]:8080/',
      'http://169.254.169.254/latest/meta-data/',
      'http://ｗｗｗ。youtube。com.evil/',
    ]) {
      assert.throws(() => parse(url), { code: 'YOUTUBE_HOST_NOT_ALLOWED' }, url);
    }
  });

  it('is a URL of the web, without a user', () => {
    for (const text of [
      '',
      'dQw4w9WgXcQ',
      '-U',
      '--exec=touch /tmp/x',
      '--config-locations=/etc/passwd',
      'ytsearch:song',
      'file:///etc/passwd',
      'file://www.youtube.com/etc/passwd',
      'ftp://youtu.be/a',
      'javascript:alert(1)',
      'data:audio/mp3;base64,AAAA',
      'https://user@www.youtube.com/watch',
      'https://user:password@youtu.be/a',
      'https://:password@youtu.be/a',
      '//youtu.be/a',
      `https://youtu.be/${'a'.repeat(2048)}`,
    ]) {
      assert.throws(() => parse(text), { code: 'INVALID_OPTION' }, text);
    }
  });

  it('is to one video', () => {
    for (const path of ['playlist?list=PL1', '@artist', '@artist/videos', 'channel/UC1', 'c/x']) {
      assert.throws(() => parse(`https://www.youtube.com/${path}`), { code: 'YOUTUBE_PLAYLIST' });
    }
  });
});
