/** The cookies of the operator. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { copyCookies, readCookies } from '../../../src/intake/youtube/cookies.js';
import { fetchSong } from '../../../src/intake/youtube/fetch-song.js';
import { temporaryFolder } from '../../support/audio.js';

const folder = temporaryFolder({ after });
const HEADER = '# Netscape HTTP Cookie File';
const COOKIES = [
  HEADER,
  '# a comment',
  '',
  '.youtube.com\tTRUE\t/\tTRUE\t1900000000\tSID\thush',
  '#HttpOnly_www.youtube.com\tFALSE\t/\tFALSE\t\tempty\t',
  '',
].join('\n');

function fileOf(text: string): string {
  const file = path.join(folder, 'cookies.txt');
  writeFileSync(file, text);
  return file;
}

describe('a file of cookies', () => {
  it('is copied for one download, which only this user can read', async () => {
    const directory = path.join(folder, 'copy');
    mkdirSync(directory);
    const copy = await copyCookies(fileOf(COOKIES), directory);
    assert.equal(readFileSync(copy, 'utf8'), COOKIES);
    assert.equal(path.dirname(copy), directory);
    assert.equal(statSync(copy).mode & 0o777, 0o600);
    assert.equal(
      await readCookies(fileOf(COOKIES.replaceAll('\n', '\r\n'))),
      COOKIES.replaceAll('\n', '\r\n'),
    );
  });

  it('is refused when yt-dlp could not read it, without a word of what is in it', async () => {
    const wrong: [file: string, message: RegExp][] = [
      [path.join(folder, 'none.txt'), /none\.txt, cannot be read \(ENOENT\)/],
      [folder, /cannot be read \(EISDIR\)/],
    ];
    for (const line of [
      '[{"name": "hush"}]',
      '.youtube.com\tTRUE\t/\tTRUE\t1900000000\thush',
      '.youtube.com TRUE / TRUE 1900000000 SID hush',
      '.youtube.com\tTRUE\t/\tTRUE\ttomorrow\tSID\thush',
      // Python's reader fails on these, with all of the line in its message.
      '.youtube.com\tFALSE\t/\tTRUE\t1900000000\tSID\thush',
      'youtube.com\tTRUE\t/\tTRUE\t1900000000\tSID\thush',
    ]) {
      await assert.rejects(readCookies(fileOf(`${COOKIES}${line}\n`)), (error: Error) => {
        assert.match(error.message, /no cookie in the format of Netscape in line 6\. Export/);
        assert.doesNotMatch(error.message, /hush/);
        return true;
      });
    }
    for (const [file, message] of wrong) {
      await assert.rejects(readCookies(file), { code: 'INVALID_ENVIRONMENT', message });
    }
    await assert.rejects(readCookies(fileOf('{"hush": 1}')), { message: /does not begin with/ });
  });

  it('is given to yt-dlp as a copy, which yt-dlp may write to', async () => {
    const cookiesFile = fileOf(COOKIES);
    const directory = path.join(folder, 'song');
    mkdirSync(directory);
    const ytDlpPath = path.join(folder, 'yt-dlp');
    // Writes to its cookies as yt-dlp does, and tells which file that was.
    const script = [
      '#!/bin/sh',
      'while [ $# -gt 0 ] && [ "$1" != --cookies ]; do shift; done',
      '[ $# -gt 0 ] || exit 0',
      `grep -q hush "$2" && echo "$2" >> ${folder}/given`,
      'echo changed > "$2"',
      'echo "ERROR: Private video" >&2; exit 1',
    ];
    writeFileSync(ytDlpPath, script.join('\n'));
    chmodSync(ytDlpPath, 0o755);
    await assert.rejects(
      fetchSong(
        'https://youtu.be/abcdefghijk',
        {
          ytDlpPath,
          cookiesFile,
          allowedHosts: ['youtu.be'],
          maxDuration: 600,
          maxFileSize: 1e6,
          cacheDirectory: path.join(folder, 'cache'),
        },
        { directory, signal: new AbortController().signal, onProgress: () => undefined },
      ),
      { code: 'YOUTUBE_PRIVATE' },
    );
    assert.equal(
      readFileSync(path.join(folder, 'given'), 'utf8').trim(),
      path.join(directory, 'cookies.txt'),
    );
    assert.equal(readFileSync(cookiesFile, 'utf8'), COOKIES);
    assert.ok(existsSync(path.join(directory, 'cookies.txt')));
  });
});
