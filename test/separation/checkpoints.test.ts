import assert from 'node:assert/strict';
import { copyFileSync, existsSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { probe } from '../../src/audio/probe.js';
import { Separator } from '../../src/engine/separator.js';
import { OxboardError } from '../../src/errors.js';
import { outputOptions, resolveOptions, type OutputOptions } from '../../src/options.js';
import {
  connected,
  type CheckpointPart,
  type Checkpoints,
} from '../../src/separation/checkpoints.js';
import { separateFile, type FileRequest } from '../../src/separation/separate-file.js';
import { makeAudio, temporaryFolder } from '../support/audio.js';

const modelsDir = fileURLToPath(new URL('../fixtures/models', import.meta.url));
const NOISE = '0.4*(random(0)*2-1)|0.4*(random(1)*2-1)';
const OPTIONS = { shifts: 1, seed: 3, overlap: 0.4 };

/** Keeps every part as soon as a block is finished. */
class Kept implements Checkpoints {
  readonly intervalSeconds = 0;
  readonly kept: CheckpointPart[] = [];
  constructor(
    private readonly folder: string,
    private readonly onPart: (count: number) => void = () => undefined,
  ) {}

  parts() {
    return Promise.resolve([...this.kept].reverse());
  }

  add({ offset, frames, files }: CheckpointPart) {
    const copies = files.map((file) => path.join(this.folder, path.basename(file)));
    for (const [index, file] of files.entries()) copyFileSync(file, copies[index] ?? '');
    this.kept.push({ offset, frames, files: copies });
    this.onPart(this.kept.length);
    return Promise.resolve();
  }
}

async function setting(context: TestContext) {
  const folder = temporaryFolder(context);
  const separator = await Separator.load('htdemucs', { modelsDir, device: 'cpu', threads: 1 });
  context.after(() => separator.dispose());
  const seconds = (separator.model.segment * 6.5) / 44_100;
  const song = makeAudio(path.join(folder, 'song.wav'), NOISE, { seconds });
  const input = await probe(song);
  const run = (out: string, output: OutputOptions, more: Partial<FileRequest>) =>
    separateFile({
      input,
      separator,
      output: resolveOptions(outputOptions, { out: path.join(folder, out), ...output }),
      options: OPTIONS,
      ...more,
    });
  return { folder, run };
}

const facts = (result: Awaited<ReturnType<typeof separateFile>>) =>
  Object.entries(result.output.stems).map(([name, { sha256, gain }]) => ({ name, sha256, gain }));

describe('checkpoints', () => {
  for (const output of [{}, { twoStems: 'vocals' }] satisfies OutputOptions[]) {
    it(`let a stopped song go on to the same bytes (${JSON.stringify(output)})`, async (context) => {
      const { folder, run } = await setting(context);
      const whole = await run('whole', output, {});

      const abort = new AbortController();
      const reason = new Error('stop');
      const kept = new Kept(folder, (count) => {
        if (count === 3) abort.abort(reason);
      });
      await assert.rejects(
        run('first', output, { checkpoints: kept, signal: abort.signal }),
        reason,
      );
      assert.equal(kept.kept.length, 3);
      assert.ok(!existsSync(path.join(folder, 'first')), 'nothing is left beside the checkpoints');

      const fractions: number[] = [];
      const resumed = await run('second', output, {
        checkpoints: kept,
        onProgress: ({ stage, fraction, audioSeconds }) => {
          if (stage === 'separating' && audioSeconds && fraction > 0) fractions.push(fraction);
        },
      });
      assert.deepEqual(facts(resumed), facts(whole));
      assert.equal(resumed.nullTestDb, whole.nullTestDb);
      assert.ok(fractions[0]! > 0.25, `it began anew: ${String(fractions[0])}`);
      const [, , third, fourth] = kept.kept;
      assert.equal(fourth?.offset, third!.offset + third!.frames);
    });
  }

  it('of all frames leave nothing to separate', async (context) => {
    const { folder, run } = await setting(context);
    const kept = new Kept(folder);
    const whole = await run('whole', {}, { checkpoints: kept });
    const again = await run('again', {}, { checkpoints: kept });
    assert.deepEqual(facts(again), facts(whole));
  });

  it('that are longer than the song are not used', async (context) => {
    const { folder, run } = await setting(context);
    const whole = await run('whole', {}, {});
    const kept = new Kept(folder);
    kept.kept.push({ offset: 0, frames: 1e9, files: ['a', 'b', 'c', 'd'] });
    assert.deepEqual(facts(await run('again', {}, { checkpoints: kept })), facts(whole));
  });

  it('are used from the start to the first gap', () => {
    const part = (offset: number, frames: number) => ({ offset, frames, files: [] });
    const parts = [part(30, 5), part(10, 10), part(0, 4), part(0, 10), part(22, 8)];
    assert.deepEqual(connected(parts), [part(0, 10), part(10, 10)]);
    assert.deepEqual(connected([part(1, 5)]), []);
    assert.deepEqual(connected([part(0, 0)]), []);
  });
});

describe('checkLength', () => {
  it('ends a song while it is decoded, whatever its header says', async (context) => {
    const { folder, run } = await setting(context);
    const error = new OxboardError('AUDIO_TOO_LONG', 'No more than 0.01 s');
    const checkLength = (seconds: number) => {
      if (seconds > 0.01) throw error;
    };
    await assert.rejects(run('out', {}, { checkLength }), error);
    assert.ok(!existsSync(path.join(folder, 'out')));
  });
});
