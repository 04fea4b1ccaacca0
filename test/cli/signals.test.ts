/** Ctrl-C and its kin, in every phase of `oxboard separate`. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { modelsDir, oxboard } from '../support/cli.js';

const folder = temporaryFolder({ after });
const song = makeAudio(path.join(folder, 'song.flac'), 'random(0)|random(1)', { seconds: 60 });

const running = (text: string) =>
  execFileSync('ps', ['-eo', 'stat,args'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(text) && !line.startsWith('Z'));

/** Sends `signal` when `phase` shows on stderr. */
async function interrupt(out: string, phase: RegExp, signal: NodeJS.Signals, ...flags: string[]) {
  let sentAt = 0;
  const outcome = await oxboard(
    ['separate', song, '-n', 'toy', '--models-dir', modelsDir, '-o', out, ...flags],
    {
      onStderr: (text, child) => {
        if (sentAt !== 0 || !phase.test(text)) return;
        sentAt = performance.now();
        child.kill(signal);
      },
    },
  );
  assert.ok(sentAt > 0, outcome.stderr);
  return { ...outcome, deathMilliseconds: outcome.endedAt - sentAt };
}

describe('oxboard separate', () => {
  for (const [phase, pattern, signal, flags] of [
    ['loading', /Loading/, 'SIGINT', []],
    ['reading', /Reading/, 'SIGINT', []],
    ['separating', /Separating/, 'SIGINT', ['--shifts', '100']],
    ['separating', /Separating/, 'SIGTERM', ['--shifts', '100']],
    ['writing', /Writing/, 'SIGINT', ['--format', 'mp3']],
    ['writing', /Writing/, 'SIGHUP', ['--format', 'mp3']],
  ] as const) {
    it(`dies by ${signal} within a second while ${phase}, and leaves nothing`, async (context) => {
      const out = path.join(folder, `${phase}-${signal}`);
      const outcome = await interrupt(out, pattern, signal, ...flags);
      context.diagnostic(`${outcome.deathMilliseconds.toFixed(0)} ms`);
      assert.equal(outcome.signal, signal);
      assert.equal(outcome.status, null);
      assert.ok(outcome.deathMilliseconds < 1000, String(outcome.deathMilliseconds));
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
      const deadline = performance.now() + 5000;
      while (running(folder).length > 0 && performance.now() < deadline) await sleep(50);
      assert.deepEqual(running(folder), []);
    });
  }

  it('keeps what was there before', async () => {
    const out = path.join(folder, 'kept');
    mkdirSync(path.join(out, 'toy', 'song'), { recursive: true });
    const old = path.join(out, 'toy', 'song', 'vocals.wav');
    writeFileSync(old, 'old');
    await interrupt(out, /Separating/, 'SIGINT', '--shifts', '100');
    assert.deepEqual(readdirSync(path.join(out, 'toy', 'song')), ['vocals.wav']);
    assert.deepEqual(readdirSync(path.join(out, 'toy')), ['song']);
  });
});
