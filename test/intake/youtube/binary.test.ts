/** Which yt-dlp is used, and what is known of it. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, describe, it } from 'node:test';
import { ageOf, findYtDlp } from '../../../src/intake/youtube/binary.js';
import { describeYtDlp } from '../../../src/intake/youtube/describe.js';
import { temporaryFolder } from '../../support/audio.js';

const folder = temporaryFolder({ after });
const { PATH } = process.env;
afterEach(() => {
  process.env.PATH = PATH;
});

function program(name: string, text = 'exit 0', mode = 0o755): string {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\n${text}\n`);
  chmodSync(file, mode);
  return file;
}

describe('the yt-dlp that is used', () => {
  it('is that of YT_DLP_PATH, or none', async () => {
    const own = program('own/my-yt-dlp');
    process.env.PATH = path.dirname(program('bin/yt-dlp'));
    assert.deepEqual(await findYtDlp(own), { path: own, origin: 'YT_DLP_PATH' });
    const code = 'YOUTUBE_BINARY_MISSING';
    await assert.rejects(findYtDlp(path.join(folder, 'nowhere')), { code, message: /YT_DLP_PATH/ });
    await assert.rejects(findYtDlp(folder), { code });
  });

  it('is else the first on the PATH, as it is at that moment', async () => {
    const text = program('text/yt-dlp', '', 0o644);
    process.env.PATH = ['bin', path.dirname(text)].join(path.delimiter);
    await assert.rejects(findYtDlp(undefined), {
      code: 'YOUTUBE_BINARY_MISSING',
      message: /pip install/,
    });
    const installed = program('later/yt-dlp');
    process.env.PATH += `${path.delimiter}${path.dirname(installed)}`;
    assert.deepEqual(await findYtDlp(undefined), { path: installed, origin: 'PATH' });
  });

  it('is as old as its version says', () => {
    const now = Date.UTC(2026, 10, 22);
    assert.equal(ageOf('2026.10.26\n', now), 27);
    assert.equal(ageOf('2026.10.26.232815.dev0', now), 27);
    assert.equal(ageOf('nightly', now), undefined);
  });

  const speaking = (name: string, ...lines: string[]) =>
    program(name, `cat >&2 <<'END'\n${lines.join('\n')}\nEND\nexit 2`);

  it('tells what it can run', async () => {
    const whole = speaking(
      'whole',
      '[debug] yt-dlp version stable@2026.10.26 from yt-dlp/yt-dlp [c91f8de0b] (pip)',
      '[debug] Optional libraries: certifi-2026.10.18, yt_dlp_ejs-0.8.0',
      '[debug] JS runtimes: deno-2.9.8, node-20.20.2 (unsupported)',
    );
    assert.deepEqual(await describeYtDlp(whole), {
      version: '2026.10.26',
      runtimes: ['deno-2.9.8'],
      oldRuntimes: ['node-20.20.2'],
      scripts: true,
    });
    const bare = speaking('bare', '[debug] yt-dlp version 2025.01.01', '[debug] JS runtimes: none');
    assert.deepEqual(await describeYtDlp(bare), {
      version: '2025.01.01',
      runtimes: [],
      oldRuntimes: [],
      scripts: false,
    });
    assert.equal(await describeYtDlp(program('broken', 'exit 1')), undefined);
    assert.equal(await describeYtDlp(path.join(folder, 'nowhere')), undefined);
  });
});
