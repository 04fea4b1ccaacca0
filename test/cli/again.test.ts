/** A command that is run again: what is done is left alone, what was begun goes on. */
import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { makeAudio, readAudio, temporaryFolder } from '../support/audio.js';
import { modelsDir, oxboard } from '../support/cli.js';

const folder = temporaryFolder({ after });
const at = (...names: string[]) => path.join(folder, ...names);
const one = makeAudio(at('one.wav'), '0.3*sin(2*PI*440*t)', { seconds: 1 });
const two = makeAudio(at('two.wav'), '0.3*sin(2*PI*660*t)', { seconds: 1 });

const separate = (inputs: readonly string[], ...flags: string[]) =>
  oxboard(['separate', '-n', 'toy', '--models-dir', modelsDir, ...inputs, ...flags]);

const bytesOf = (directory: string) =>
  ['drums', 'vocals'].map((stem) => readFileSync(path.join(directory, `${stem}.wav`)));

describe('--skip-existing', () => {
  /** For each input whether it was skipped. */
  async function skipped(out: string, inputs: readonly string[], ...flags: string[]) {
    const given = ['-o', out, '--skip-existing', '--json', ...flags];
    const { status, stdout, stderr } = await separate(inputs, ...given);
    assert.equal(status, 0, stderr);
    const results = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { skipped?: true; output: { stems: object } });
    assert.ok(results.every(({ output }) => 'vocals' in output.stems));
    return { flags: results.map((result) => result.skipped ?? false), stderr };
  }

  it('leaves songs alone that are done with the same options, and does not load the model', async () => {
    const out = at('skip');
    const first = await separate([one], '-o', out);
    assert.equal(first.status, 0, first.stderr);
    assert.deepEqual((await skipped(out, [one, two])).flags, [true, false]);
    const again = await skipped(out, [one, two]);
    assert.deepEqual(again.flags, [true, true]);
    assert.doesNotMatch(again.stderr, /Loading/);
    assert.match(again.stderr, /^Already done: 2 of 2 songs$/m);
  });

  it('makes them again for other options, another song, or a stem that is gone or cut', async () => {
    const out = at('changed');
    const song = at('changed.wav');
    copyFileSync(one, song);
    const stem = path.join(out, 'toy', 'changed', 'vocals.wav');
    const isSkipped = async (bits: string) =>
      (await skipped(out, [song], '--stems', 'vocals', '--bit-depth', bits)).flags[0];
    assert.equal(await isSkipped('16'), false);
    assert.equal(await isSkipped('16'), true);
    assert.equal(await isSkipped('24'), false);
    copyFileSync(two, song);
    assert.equal(await isSkipped('24'), false);
    writeFileSync(stem, readFileSync(stem).subarray(0, 100));
    assert.equal(await isSkipped('24'), false);
    rmSync(stem);
    assert.equal(await isSkipped('24'), false);
    assert.equal(await isSkipped('24'), true);
  });

  it('knows songs that share a folder', async () => {
    const out = at('shared');
    const flags = ['--filename', '{stem}/{track}.{ext}'];
    assert.deepEqual((await skipped(out, [one, two], ...flags)).flags, [false, false]);
    assert.deepEqual((await skipped(out, [one, two], ...flags)).flags, [true, true]);
  });
});

describe('--resume', () => {
  const song = makeAudio(at('long.wav'), 'random(0)|random(1)', { seconds: 20 });
  const flags = ['--shifts', '5', '--resume', '--stems', 'drums,vocals'];

  it('goes on after kill -9 with the same bytes, and leaves nothing', async () => {
    const out = at('killed');
    const kept = path.join(out, 'toy', '.oxboard-resume');
    let checks: NodeJS.Timeout | undefined;
    const killed = await oxboard(
      ['separate', '-n', 'toy', '--models-dir', modelsDir, song, '-o', out, ...flags],
      {
        onStderr: (_text, child) => {
          checks ??= setInterval(() => {
            const names = existsSync(kept) ? readdirSync(kept, { recursive: true }) : [];
            if (names.some((name) => path.basename(String(name)) === 'part.json')) {
              child.kill('SIGKILL');
            }
          }, 20);
        },
      },
    );
    clearInterval(checks);
    assert.equal(killed.signal, 'SIGKILL', killed.stderr);
    assert.ok(!existsSync(path.join(out, 'toy', 'long')));

    const resumed = await separate([song], '-o', out, ...flags);
    assert.equal(resumed.status, 0, resumed.stderr);
    assert.match(resumed.stderr, /^Resuming at 0:\d\d$/m);
    assert.deepEqual(readdirSync(path.join(out, 'toy')), ['long']);

    const undisturbed = await separate([song], '-o', at('undisturbed'), ...flags);
    assert.equal(undisturbed.status, 0, undisturbed.stderr);
    assert.doesNotMatch(undisturbed.stderr, /Resuming/);
    assert.deepEqual(
      bytesOf(path.join(out, 'toy', 'long')),
      bytesOf(at('undisturbed', 'toy', 'long')),
    );
  });
});

describe('standard input', () => {
  it('is separated like a file', async () => {
    const args = ['separate', '-', '-n', 'toy', '--models-dir', modelsDir];
    const stems = ['--stems', 'vocals'];
    const given = await oxboard([...args, ...stems, '-o', at('piped'), '--json'], { input: one });
    assert.equal(given.status, 0, given.stderr);
    assert.equal((JSON.parse(given.stdout) as { input: string }).input, '-');
    assert.deepEqual(readdirSync(at('piped', 'toy')), ['stdin']);
    const file = await separate([one], ...stems, '-o', at('from-file'));
    assert.equal(file.status, 0, file.stderr);
    const samplesOf = (place: string) => readAudio(path.join(at(place), 'vocals.wav'));
    assert.deepEqual(samplesOf('piped/toy/stdin'), samplesOf('from-file/toy/one'));
  });

  it('is refused by that name, and leaves nothing', async () => {
    const args = ['separate', '-', '-n', 'toy', '--models-dir', modelsDir, '-o', at('refused')];
    const empty = await oxboard(args);
    assert.deepEqual(
      [empty.status, empty.stderr],
      [1, 'oxboard: Standard input holds no audio: it is empty\n'],
    );
    const twice = await oxboard([...args, '-']);
    assert.equal(twice.status, 2);
    assert.match(twice.stderr, /Standard input can be read only once/);
    assert.ok(!existsSync(at('refused')));
  });
});
