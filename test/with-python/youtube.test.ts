/** The real yt-dlp against a site of the test's own. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import type { OxboardError } from '../../src/errors.js';
import { fetchSong, type YoutubeSettings } from '../../src/intake/youtube/fetch-song.js';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { startProxy } from '../support/proxy.js';
import { until } from '../support/until.js';
import {
  downloadersIn,
  file,
  html,
  stalling,
  startMediaSite,
  type MediaSite,
} from '../support/media-site.js';

const folder = temporaryFolder({ after });
const SONG = readFileSync(
  makeAudio(path.join(folder, 'song.mp3'), 'random(1)|random(2)', { seconds: 5 }),
);
const site = await startMediaSite({ after });
/** What is nobody's business. */
const inside = await startMediaSite({ after }, { '/secret.mp3': file(SONG) });
const redirect =
  (location: string): MediaSite['pages'][string] =>
  (_request, response) => {
    response.writeHead(302, { Location: location }).end();
  };
Object.assign(site.pages, {
  '/My%20song.mp3': file(SONG),
  '/stalling.mp3': stalling(SONG),
  '/moved.mp3': redirect('/My%20song.mp3'),
  '/inside.mp3': redirect(inside.url('/secret.mp3')),
  '/metadata.mp3': redirect('http://169.254.169.254/latest/meta-data/'),
  '/file.mp3': redirect('file:///etc/passwd'),
  '/page': html(`<title>A page</title><video src="/My%20song.mp3"></video>`),
  '/page-inside': html(`<title>A page</title><video src="${inside.url('/secret.mp3')}"></video>`),
  '/two': html('<title>Two</title><video src="/a.mp4"></video><video src="/b.mp4"></video>'),
  '/text': html('<!doctype html><html><title>Words</title><p>no media</p></html>'),
  '/endless.mp3': (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'audio/mpeg' });
    const more = setInterval(() => response.write(Buffer.alloc(50_000)), 5);
    response.once('close', () => clearInterval(more));
  },
  '/busy.mp3': (_request, response) => void response.writeHead(503).end(),
  '/limited.mp3': (_request, response) => void response.writeHead(429).end(),
} satisfies MediaSite['pages']);

let calls = 0;
function fetch(
  url: string,
  settings: Partial<YoutubeSettings> = {},
  {
    signal = new AbortController().signal,
    onProgress = (_fraction: number): void => undefined,
  } = {},
) {
  const directory = path.join(folder, `call-${String(calls++)}`);
  mkdirSync(directory);
  const all = {
    ytDlpPath: undefined,
    allowedHosts: [site.host],
    maxDuration: 600,
    maxFileSize: 1_000_000,
    cacheDirectory: path.join(folder, 'cache'),
    ...settings,
  };
  return fetchSong(url, all, { directory, signal, onProgress });
}

/** At once: yt-dlp takes a second to begin. */
const refused = (links: [link: string, code: string][]) =>
  Promise.all(links.map(([link, code]) => assert.rejects(fetch(site.url(link)), { code }, link)));

describe('a song behind a link', () => {
  it('is fetched as it is, with its title', async () => {
    const fractions: number[] = [];
    const onProgress = (fraction: number) => void fractions.push(fraction);
    const song = await fetch(site.url('/My%20song.mp3'), {}, { onProgress });
    assert.deepEqual(readFileSync(song.path), SONG);
    assert.equal(song.name, 'My song.mp3');
    assert.ok(fractions.length > 1);
    assert.deepEqual(
      fractions,
      [...fractions].sort((a, b) => a - b),
    );
    assert.equal(fractions.at(-1), 1);
  });

  it('is asked for with the cookies of the operator, whose file stays as it is', async () => {
    const cookiesFile = path.join(folder, 'cookies.txt');
    const cookies = '# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tSID\thush\n';
    writeFileSync(cookiesFile, cookies);
    const sent: (string | undefined)[] = [];
    site.pages['/account.mp3'] = (request, response) => {
      sent.push(request.headers.cookie);
      response.setHeader('Set-Cookie', 'SID=other; Max-Age=1000');
      file(SONG)(request, response);
    };
    assert.deepEqual(
      readFileSync((await fetch(site.url('/account.mp3'), { cookiesFile })).path),
      SONG,
    );
    assert.equal(sent[0], 'SID=hush');
    assert.equal(readFileSync(cookiesFile, 'utf8'), cookies);
    sent.length = 0;
    await fetch(site.url('/account.mp3'));
    assert.ok(sent.length > 0 && !sent.includes('SID=hush'), 'no cookie is kept');
  });

  it('comes through the proxy of the operator', async (context) => {
    const proxy = await startProxy(context);
    const settings = { proxy: proxy.url.replace('//', '//oxboard:hush@') };
    const song = await fetch(site.url('/My%20song.mp3'), settings);
    assert.deepEqual(readFileSync(song.path), SONG);
    assert.deepEqual(new Set(proxy.passed), new Set([site.host]));
    assert.deepEqual(new Set(proxy.logins), new Set(['oxboard:hush']));
    proxy.refusal = 407;
    await assert.rejects(fetch(site.url('/My%20song.mp3'), settings), (error: OxboardError) => {
      assert.equal(error.code, 'YOUTUBE_NETWORK');
      assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /hush/);
      return true;
    });
  });

  it('may be somewhere else on allowed ground', async () => {
    const fetched = ['/moved.mp3', '/page'].map((link) => fetch(site.url(link)));
    for (const song of await Promise.all(fetched)) {
      assert.deepEqual(readFileSync(song.path), SONG);
    }
  });

  it('is not fetched from within, whatever a redirect or a page says', async () => {
    await refused([
      ['/inside.mp3', 'ADDRESS_NOT_PUBLIC'],
      ['/metadata.mp3', 'ADDRESS_NOT_PUBLIC'],
      ['/page-inside', 'ADDRESS_NOT_PUBLIC'],
      ['/file.mp3', 'YOUTUBE_NETWORK'],
    ]);
    assert.deepEqual(inside.asked, []);
  });

  it('is no option and no other place, even when the admission let it through', async () => {
    for (const link of ['--version', '-U', 'file:///etc/passwd', 'ytsearch:song']) {
      await assert.rejects(fetch(link), { code: 'INVALID_OPTION' }, link);
    }
    const before = site.asked.length;
    await assert.rejects(fetch(inside.url('/secret.mp3')), { code: 'YOUTUBE_HOST_NOT_ALLOWED' });
    assert.equal(site.asked.length, before);
  });

  it('is not larger than allowed, whether its length is told or not', async () => {
    const link = site.url('/My%20song.mp3');
    await assert.rejects(fetch(link, { maxFileSize: 10_000 }), { code: 'FILE_TOO_LARGE' });
    await assert.rejects(fetch(site.url('/endless.mp3')), { code: 'FILE_TOO_LARGE' });
  });

  it('that cannot be had tells why', async () => {
    await refused([
      ['/nothing', 'YOUTUBE_UNAVAILABLE'],
      ['/text', 'YOUTUBE_UNAVAILABLE'],
      ['/two', 'YOUTUBE_PLAYLIST'],
      ['/busy.mp3', 'YOUTUBE_NETWORK'],
      ['/limited.mp3', 'YOUTUBE_RATE_LIMITED'],
    ]);
  });

  it('is let go at once, with all that was started for it', async () => {
    const controller = new AbortController();
    let fetching: Promise<unknown> = Promise.resolve();
    await new Promise<void>((resolve) => {
      const onProgress = (fraction: number) => {
        if (fraction > 0) resolve();
      };
      fetching = fetch(site.url('/stalling.mp3'), {}, { signal: controller.signal, onProgress });
      fetching.catch(() => undefined);
    });
    assert.notDeepEqual(downloadersIn(folder), []);
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(fetching, reason);
    await until(() => downloadersIn(folder).length === 0, 'the end of yt-dlp');
  });
});

describe('a yt-dlp', () => {
  const script = (name: string, text: string) => {
    const program = path.join(folder, name);
    writeFileSync(program, text);
    chmodSync(program, 0o755);
    return program;
  };
  const link = site.url('/My%20song.mp3');

  it('that is not there, or does not start, is told of', async () => {
    const nowhere = path.join(folder, 'nowhere');
    const code = 'YOUTUBE_BINARY_MISSING';
    await assert.rejects(fetch(link, { ytDlpPath: nowhere }), { code, message: /YT_DLP_PATH/ });
    await assert.rejects(fetch(link, { ytDlpPath: folder }), { code });
    const broken = script('broken', '#!/usr/bin/env no-such-python\n');
    await assert.rejects(fetch(link, { ytDlpPath: broken }), { code, message: /does not start/ });
  });

  it('that is too old for what is asked of it is told of', async () => {
    const old = script(
      'old',
      '#!/bin/sh\nfor a; do [ "$a" = --version ] && echo 2023.03.04 && exit; done\n' +
        'echo "yt-dlp: error: no such option: --js-runtimes" >&2; exit 2\n',
    );
    await assert.rejects(fetch(link, { ytDlpPath: old }), {
      code: 'YOUTUBE_OUTDATED',
      message: /is \d{4} days old/,
    });
  });

  it('sees no settings and no secrets of this process', async () => {
    const seen = path.join(folder, 'seen');
    const spy = script('spy', `#!/bin/sh\nenv > ${seen}; printf '%s\\n' "$@" >> ${seen}; exit 1\n`);
    process.env.WEBHOOK_SECRET = 'a secret';
    try {
      await assert.rejects(fetch(link, { ytDlpPath: spy }), { code: 'YOUTUBE_FAILED' });
    } finally {
      delete process.env.WEBHOOK_SECRET;
    }
    // The last call asked for the version; its environment is that of all.
    const text = readFileSync(seen, 'utf8');
    assert.doesNotMatch(text, /a secret/);
    assert.match(text, /^HOME=.*call-/m);
    assert.match(text, /^https_proxy=http:\/\/oxboard:/m);
    assert.match(text, /^--ignore-config$/m);
  });
});
