/** Ctrl-C and its kin, in every phase of `oxboard separate`. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { modelsDir, oxboard } from '../support/cli.js';
import { until } from '../support/until.js';

const folder = temporaryFolder({ after });
const song = makeAudio(path.join(folder, 'song.flac'), 'random(0)|random(1)', { seconds: 60 });

const running = (text: string) =>
  execFileSync('ps', ['-eo', 'stat,args'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(text) && !line.startsWith('Z'));

/** Sends `signal` when `phase` shows on stderr. */
async function interrupt(out: string, phase: RegExp, signal: NodeJS.Signals, ...flags: string[]) {
  let sent = false;
  const outcome = await oxboard(
    ['separate', song, '-n', 'toy', '--models-dir', modelsDir, '-o', out, ...flags],
    {
      onStderr: (text, child) => {
        if (sent || !phase.test(text)) return;
        sent = true;
        child.kill(signal);
      },
    },
  );
  assert.ok(sent, outcome.stderr);
  return outcome;
}

/** Its segments never end by themselves. */
const ENDLESS = ['-n', 'slow'];

describe('oxboard separate', () => {
  for (const [phase, pattern, signal, flags] of [
    ['loading', /Loading/, 'SIGINT', []],
    ['reading', /Reading/, 'SIGINT', []],
    ['separating', /Separating/, 'SIGINT', ENDLESS],
    ['separating', /Separating/, 'SIGTERM', ENDLESS],
    ['writing', /Writing/, 'SIGINT', ['--format', 'mp3']],
    ['writing', /Writing/, 'SIGHUP', ['--format', 'mp3']],
  ] as const) {
    it(`dies by ${signal} while ${phase}, and leaves nothing`, async () => {
      const out = path.join(folder, `${phase}-${signal}`);
      const outcome = await interrupt(out, pattern, signal, ...flags);
      assert.equal(outcome.signal, signal);
      assert.equal(outcome.status, null);
      assert.ok(!existsSync(out), 'no output folder');
      assert.deepEqual(running(out), [], 'no ffmpeg');
      assert.doesNotMatch(outcome.stderr, /oxboard: /, 'no message of an error that is none');
    });
  }

  for (const [phase, pattern] of [
    ['reading', /Reading/],
    ['writing', /Writing/],
  ] as const) {
    it(`takes its ffmpeg along when kill -9 ends it while ${phase}`, async () => {
      const out = path.join(folder, `killed-${phase}`);
      const outcome = await interrupt(out, pattern, 'SIGKILL', '--format', 'mp3');
      assert.equal(outcome.signal, 'SIGKILL');
      await until(() => running(folder).length === 0, 'the end of ffmpeg');
    });
  }

  it('keeps what was there before', async () => {
    const out = path.join(folder, 'kept');
    mkdirSync(path.join(out, 'toy', 'song'), { recursive: true });
    const old = path.join(out, 'toy', 'song', 'vocals.wav');
    writeFileSync(old, 'old');
    await interrupt(out, /Separating/, 'SIGINT', ...ENDLESS);
    assert.deepEqual(readdirSync(path.join(out, 'toy', 'song')), ['vocals.wav']);
    assert.deepEqual(readdirSync(path.join(out, 'toy')), ['song']);
  });
});
