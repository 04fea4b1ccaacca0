/** What becomes of a yt-dlp that does not do as it is asked; the rest is tested with the real one. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { fetchSong } from '../../../src/intake/youtube/fetch-song.js';
import { temporaryFolder } from '../../support/audio.js';

const folder = temporaryFolder({ after });

function fetchBy(script: string): Promise<unknown> {
  const directory = mkdtempSync(path.join(folder, 'song-'));
  const ytDlpPath = path.join(directory, 'yt-dlp');
  writeFileSync(ytDlpPath, `${script}\n`);
  chmodSync(ytDlpPath, 0o755);
  return fetchSong(
    'https://youtu.be/abcdefghijk',
    {
      ytDlpPath,
      allowedHosts: ['youtu.be'],
      maxDuration: 600,
      maxFileSize: 1e6,
      cacheDirectory: path.join(directory, 'cache'),
    },
    { directory, signal: new AbortController().signal, onProgress: () => undefined },
  );
}

describe('a yt-dlp', () => {
  for (const [what, script, code] of [
    ['is killed', '#!/bin/sh\nkill -9 $$', 'YOUTUBE_FAILED'],
    ['says nothing', '#!/bin/sh\nexit 0', 'YOUTUBE_FAILED'],
    ['says something else', '#!/bin/sh\necho hello', 'YOUTUBE_FAILED'],
    ['has no Python', '#!/usr/bin/env no-such-python', 'YOUTUBE_BINARY_MISSING'],
    ['is for another machine', '\x7fELF', 'YOUTUBE_BINARY_MISSING'],
  ] as const) {
    it(`that ${what} comes to ${code}`, async () => {
      await assert.rejects(fetchBy(script), { code });
    });
  }
});
