/** Parts and sums of stems, with a real engine. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { probe } from '../../src/audio/probe.js';
import { Separator } from '../../src/engine/separator.js';
import { outputOptions, resolveOptions } from '../../src/options.js';
import { separateFile, type FileOptions } from '../../src/separation/separate-file.js';
import { makeAudio, readAudio, temporaryFolder } from '../support/audio.js';

const modelsDir = fileURLToPath(new URL('../fixtures/models', import.meta.url));
const RATE = 44_100;
const folder = temporaryFolder({ after });

describe('a separation', () => {
  let separator: Separator;
  before(async () => {
    separator = await Separator.load('htdemucs', { modelsDir, device: 'cpu', threads: 1 });
  });
  after(() => separator.dispose());

  const run = async (name: string, options: FileOptions) => {
    const song = makeAudio(path.join(folder, 'song.wav'), '0.4*(random(0)*2-1)|0.4*random(1)', {
      seconds: 2,
    });
    return separateFile({
      input: await probe(song),
      separator,
      output: resolveOptions(outputOptions, {
        out: path.join(folder, name),
        bitDepth: '32f',
        clipMode: 'none',
      }),
      options: { shifts: 2, seed: 5, overlap: 0.3, ...options },
    });
  };

  it('of a part gives the same samples as that of the whole', async () => {
    const whole = await run('whole', {});
    const part = await run('part', { start: 0.5, end: 1.75 });
    for (const [name, stem] of Object.entries(part.output.stems)) {
      const expected = readAudio(whole.output.stems[name]!.path).map((samples) =>
        samples.slice(0.5 * RATE, 1.75 * RATE),
      );
      assert.deepEqual(readAudio(stem.path), expected, name);
    }
  });

  it('that is mixture-consistent adds up to the song', async () => {
    const { nullTestDb } = await run('consistent', { mixtureConsistent: true });
    assert.ok(nullTestDb! < -120, String(nullTestDb));
  });
});
