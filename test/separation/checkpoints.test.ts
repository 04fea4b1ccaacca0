import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
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
  type KeptPart,
} from '../../src/separation/checkpoints.js';
import { separateFile, type FileRequest } from '../../src/separation/separate-file.js';
import { makeAudio, temporaryFolder } from '../support/audio.js';

const modelsDir = fileURLToPath(new URL('../fixtures/models', import.meta.url));
const NOISE = '0.4*(random(0)*2-1)|0.4*(random(1)*2-1)';
const OPTIONS = { shifts: 1, seed: 3, overlap: 0.4 };

const readerOf = (bytes: Uint8Array) => async () => {
  await Promise.resolve();
  return Readable.from([bytes]);
};

/** Keeps every part as soon as a block is finished, unless it is told not to. */
class Kept implements Checkpoints {
  readonly intervalSeconds = 0;
  readonly kept: KeptPart[] = [];
  constructor(private readonly onPart: (count: number) => boolean = () => true) {}

  parts() {
    return Promise.resolve([...this.kept].reverse());
  }

  add({ offset, frames, files }: CheckpointPart) {
    if (!this.onPart(this.kept.length + 1)) return Promise.resolve(false);
    const outputs = files.map((file) =>
      readerOf(readFileSync(file.path).subarray(file.start, file.end + 1)),
    );
    this.kept.push({ offset, frames, outputs });
    return Promise.resolve(true);
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
      const kept = new Kept((count) => {
        if (count === 3) abort.abort(reason);
        return true;
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

  it('that could not be kept come with the next part', async (context) => {
    const { run } = await setting(context);
    let offers = 0;
    const kept = new Kept(() => ++offers % 3 === 0);
    const whole = await run('whole', {}, { checkpoints: kept });
    assert.ok(kept.kept.length > 1 && kept.kept.length < offers / 2);
    assert.deepEqual(connected(kept.kept), kept.kept);
    assert.deepEqual(facts(await run('again', {}, { checkpoints: kept })), facts(whole));
  });

  it('with a file of a wrong length end the work', async (context) => {
    const { run } = await setting(context);
    const kept = new Kept();
    await run('whole', {}, { checkpoints: kept });
    const [first] = kept.kept;
    kept.kept[0] = { ...first!, outputs: [...first!.outputs.slice(1), readerOf(Buffer.alloc(8))] };
    await assert.rejects(run('again', {}, { checkpoints: kept }), {
      message: 'The checkpoint at frame 0 has a file of a wrong length',
    });
  });

  it('of all frames leave nothing to separate', async (context) => {
    const { run } = await setting(context);
    const kept = new Kept();
    const whole = await run('whole', {}, { checkpoints: kept });
    const again = await run('again', {}, { checkpoints: kept });
    assert.deepEqual(facts(again), facts(whole));
  });

  it('that are longer than the song are not used', async (context) => {
    const { run } = await setting(context);
    const whole = await run('whole', {}, {});
    const kept = new Kept();
    const outputs = [1, 2, 3, 4].map(() => readerOf(Buffer.alloc(8)));
    kept.kept.push({ offset: 0, frames: 1e9, outputs });
    assert.deepEqual(facts(await run('again', {}, { checkpoints: kept })), facts(whole));
  });

  it('are used from the start to the first gap', () => {
    const part = (offset: number, frames: number) => ({ offset, frames });
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
