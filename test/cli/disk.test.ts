/** A disk that is full, or fills up. It needs a small file system, which only root can make. */
import assert from 'node:assert/strict';
import { appendFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { writeError } from '../../src/audio/write-errors.js';
import { encode } from '../../src/audio/encode.js';
import { resolveEncoding } from '../../src/audio/formats.js';
import { spoolBlocks } from '../../src/audio/spool.js';
import { FORMATS, outputOptions, resolveOptions } from '../../src/options.js';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { modelsDir, oxboard } from '../support/cli.js';
import { smallDisk, unmountSmallDisks } from '../support/small-disk.js';

// Before the folder's own end.
after(unmountSmallDisks);
const folder = temporaryFolder({ after });
const song = makeAudio(path.join(folder, 'song.wav'), 'random(0)|random(1)', { seconds: 20 });

const tooSmall = smallDisk(folder, 'too-small', 20);
const filling = smallDisk(folder, 'filling', 64);
const tiny = smallDisk(folder, 'tiny', 1);
const skip = tiny === undefined && 'no small file system can be mounted';

const separate = (disk: string, ...flags: string[]) => [
  'separate',
  song,
  '-n',
  'toy',
  '--models-dir',
  modelsDir,
  '-o',
  path.join(disk, 'out'),
  ...flags,
];

describe('a disk', { skip }, () => {
  it('that is too small is refused before the separation, in figures', async () => {
    const { status, stderr } = await oxboard(separate(tooSmall!));
    assert.equal(status, 1);
    assert.match(stderr, /^oxboard: The work needs \d+ MB .* only \d+ MB are free\./m);
    assert.doesNotMatch(stderr, /Separating/);
    assert.deepEqual(readdirSync(tooSmall!), []);
  });

  it('that fills up during the separation is one clear error, and nothing stays', async () => {
    const { status, stderr } = await oxboard(separate(filling!, '--shifts', '3'), {
      onStderr: (text) => {
        if (!text.includes('Separating') || readdirSync(filling!).includes('filler')) return;
        assert.throws(() => appendFileSync(path.join(filling!, 'filler'), Buffer.alloc(2 ** 26)), {
          code: 'ENOSPC',
        });
      },
    });
    assert.equal(status, 1, stderr);
    assert.match(stderr, /^oxboard: The disk of .*filling\/out is full\. Free some space/m);
    assert.deepEqual(readdirSync(filling!), ['filler']);
  });

  it('that fills up while ffmpeg writes is told apart from other failures', async () => {
    async function* noise() {
      await Promise.resolve();
      yield Float32Array.from({ length: 44_100 * 60 }, () => Math.random() - 0.5);
    }
    const format = { sampleRate: 44_100, channelCount: 1 };
    const spool = await spoolBlocks(path.join(folder, 'noise.f32'), format, noise());
    for (const name of FORMATS) {
      const encoding = resolveEncoding(resolveOptions(outputOptions, { format: name }), {
        input: 44_100,
        model: 44_100,
      });
      const error = await encode(spool, path.join(tiny!, `a.${name}`), encoding, {
        clipMode: 'none',
      }).then(
        () => assert.fail(`${name} fitted`),
        (thrown: unknown) => writeError(thrown, tiny!),
      );
      assert.equal((error as { code?: string }).code, 'DISK_FULL');
    }
  });
});
