/** `oxboard separate` as a child process, with the engine and a network of one convolution. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { separateCommand } from '../../src/bin/commands/separate.js';
import { describeFailure, isUsageError } from '../../src/bin/report.js';
import { differenceDb, makeAudio, readAudio, temporaryFolder } from '../support/audio.js';
import { modelsDir, oxboard, type Outcome } from '../support/cli.js';

const SOURCES = ['drums', 'bass', 'other', 'vocals'];
const NOISE = '0.4*(random(0)*2-1)|0.4*(random(1)*2-1)';
const EXACT = ['--clip-mode', 'none', '--bit-depth', '32f'];

const folder = temporaryFolder({ after });
let song: string;
/** Stems of the song as the network gives them. */
let stems: Record<string, Float32Array[]>;

interface Result {
  output: {
    stems: Record<string, { path: string; frames: number; gain: number; sizeBytes: number }>;
  };
  nullTestDb: number | null;
  manifest: Record<string, unknown>;
  error?: { code: string; message: string };
}

const results = ({ stdout }: Outcome): Result[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Result);

function separate(inputs: readonly string[], ...flags: string[]): Promise<Outcome> {
  return oxboard(
    ['separate', ...flags, '-n', 'toy', '--models-dir', modelsDir, '-o', 'out', '--', ...inputs],
    {
      cwd: folder,
    },
  );
}

/** A failure as people see it: one line of ours, no stack, the right status, no files. */
function assertFailed(outcome: Outcome, status: number, message: RegExp): void {
  assert.match(outcome.stderr, message);
  assert.equal(outcome.status, status, outcome.stderr);
  assert.match(outcome.stderr, /^oxboard: /m);
  assert.doesNotMatch(outcome.stderr, /^\s+at .*:\d+/m);
}

before(async () => {
  song = makeAudio(path.join(folder, 'song.wav'), NOISE, {
    seconds: 9,
    options: ['-c:a', 'pcm_f32le'],
  });
  const outcome = await separate([song], ...EXACT, '--json');
  assert.equal(outcome.status, 0, outcome.stderr);
  const [result] = results(outcome);
  stems = Object.fromEntries(
    Object.entries(result!.output.stems).map(([name, { path: file }]) => [
      name,
      readAudio(path.join(folder, file)),
    ]),
  );
});

describe('oxboard separate', () => {
  it('writes every stem, says where, and shows plain progress where there is no terminal', async () => {
    const { status, stdout, stderr } = await separate([song]);
    assert.equal(status, 0, stderr);
    for (const name of SOURCES) {
      assert.ok(stdout.includes(`out/toy/song/${name}.wav`));
      assert.equal(
        readAudio(path.join(folder, 'out/toy/song', `${name}.wav`))[0]!.length,
        9 * 44_100,
      );
    }
    assert.match(
      stderr,
      /Separating drums, bass, other, vocals\n(.*\n)*100 %, 0:00 left, \d+\.\d\dx real time/,
    );
    assert.match(stderr, /untrained convolution/, 'says what is to be known of the model');
    assert.doesNotMatch(stderr, /\x1b/); // eslint-disable-line no-control-regex -- what a bar would write
    assert.deepEqual(readdirSync(path.join(folder, 'out/toy')), ['song']);
  });

  it('prints one JSON result per input and nothing else on stdout', async () => {
    const second = path.join(folder, 'second song.wav');
    copyFileSync(song, second);
    const outcome = await separate([song, second], '--json', '--seed', '7', '--shifts', '1');
    const [first, other, ...more] = results(outcome);
    assert.equal(more.length, 0);
    assert.deepEqual(Object.keys(first!.output.stems), SOURCES);
    assert.equal(first!.output.stems.drums!.frames, 9 * 44_100);
    assert.equal(first!.manifest.seed, 7);
    assert.equal(typeof first!.nullTestDb, 'number');
    assert.ok(other!.output.stems.bass!.path.includes('second song'));
  });

  it('computes only the chosen stems', async () => {
    const [result] = results(
      await separate(
        [song],
        '--json',
        ...EXACT,
        '--stems',
        'bass, vocals',
        '--filename',
        'some/{stem}.{ext}',
      ),
    );
    const { bass, vocals, ...others } = result!.output.stems;
    assert.deepEqual(others, {});
    assert.equal(result!.nullTestDb, null);
    assert.deepEqual(readAudio(path.join(folder, bass!.path)), stems.bass);
    assert.deepEqual(readAudio(path.join(folder, vocals!.path)), stems.vocals);
  });

  it('makes a stem and the rest of the song', async () => {
    const flags = [
      '--two-stems',
      'vocals',
      '--other-method',
      'minus',
      '--filename',
      'two/{stem}.{ext}',
    ];
    const [result] = results(await separate([song], '--json', ...EXACT, ...flags));
    const { vocals, minus_vocals: other, ...more } = result!.output.stems;
    assert.deepEqual(more, {});
    assert.deepEqual(readAudio(path.join(folder, vocals!.path)), stems.vocals);
    const mixture = readAudio(song);
    for (const [channel, samples] of readAudio(path.join(folder, other!.path)).entries()) {
      const expected = samples.map(
        (_, at) => mixture[channel]![at]! - stems.vocals![channel]![at]!,
      );
      assert.ok(differenceDb(expected, samples) < -120);
    }
  });

  // White noise is hard on mp3, and loses what lies above a resampler's pass band.
  for (const [flags, worstDb] of [
    [['--format', 'mp3', '--bitrate', '192'], -8],
    [['--format', 'FLAC', '--bit-depth', '24', '--sample-rate', '48000'], -12],
  ] as const) {
    it(`writes ${flags.join(' ')}`, async () => {
      const outcome = await separate(
        [song],
        ...['--json', '--stems', 'other', '--clip-mode', 'none'],
        ...flags,
      );
      const { other } = results(outcome)[0]!.output.stems;
      assert.ok(other!.path.endsWith(`song/other.${flags[1].toLowerCase()}`));
      const written = readAudio(path.join(folder, other!.path), 2, 44_100)[0]!;
      assert.equal(written.length, 9 * 44_100);
      const difference = differenceDb(stems.other![0]!, written);
      assert.ok(difference < worstDb, String(difference));
    });
  }

  it('goes on after a failing input, sums up and ends with 1', async () => {
    const text = path.join(folder, 'text.mp3');
    writeFileSync(text, 'This is no music.\n'.repeat(100));
    const outcome = await separate(
      ['missing.mp3', song, text],
      '--json',
      '--filename',
      'several/{stem}.{ext}',
    );
    assertFailed(outcome, 1, /There is no file missing\.mp3/);
    const [missing, good, notMusic] = results(outcome);
    assert.equal(missing!.error!.code, 'INPUT_NOT_FOUND');
    assert.ok(existsSync(path.join(folder, good!.output.stems.drums!.path)));
    assert.equal(notMusic!.error!.code, 'INPUT_NOT_AUDIO');
    assert.match(outcome.stderr, /2 of 3 songs failed:\n {2}missing\.mp3 \(INPUT_NOT_FOUND\)\n/);
  });

  describe('ends with 2 on bad usage', () => {
    for (const [flags, message] of [
      [
        ['--overlap', '2'],
        /Expected number from 0 up to \(not including\) 1 for --overlap but received 2 of type number/,
      ],
      [['--overlap', 'much'], /for --overlap but received "much" of type string/],
      [['--bit-depth', '12'], /Expected one of 16, 24, 32f for --bit-depth/],
      [['--shifts', '1.5'], /for --shifts/],
      [['--device', 'gpu'], /for --device/],
      [['--threads', '0'], /for --threads/],
      [
        ['--stems', 'vocal'],
        /Expected one of drums, bass, other, vocals for --stems but received "vocal" \(did you mean "vocals"\?\)$/m,
      ],
      [['--two-stems', 'piano'], /for --two-stems but received "piano"$/m],
      [['--stems', 'bass', '--two-stems', 'bass'], /not both/],
      [['--filename', '../{stem}.{ext}'], /stay within/],
      [['--format', 'flac', '--bit-depth', '32f'], /for --bit-depth/],
      [['--format', 'mp3', '--bitrate', '400'], /for --bitrate/],
      [['--segment', '60'], /seconds from 0\.00005 up to 7\.80 \(toy\) for --segment/],
    ] as const) {
      // In this process; bad-usage.test.ts starts the command for each flag.
      it(flags.join(' '), async () => {
        const args = [...flags, '-n', 'toy', '--models-dir', modelsDir, song];
        const error: unknown = await separateCommand()
          .parseAsync(args, { from: 'user' })
          .then(
            () => assert.fail('was taken'),
            (reason: unknown) => reason,
          );
        const failure = describeFailure(error);
        assert.match(failure.message, message);
        assert.ok(isUsageError(failure));
      });
    }

    it('an unknown flag, an unknown command, no input, nothing at all', async () => {
      for (const [args, message] of [
        [
          ['separate', song, '--overlpa', '0.5'],
          /unknown option '--overlpa'\n\(Did you mean --overlap\?\)/,
        ],
        [['seperate', song], /unknown command 'seperate'\n\(Did you mean separate\?\)/],
        [['separate'], /missing required argument/],
        [[], /Usage: oxboard/],
      ] as const) {
        const { status, stderr } = await oxboard(args);
        assert.equal(status, 2);
        assert.match(stderr, message);
      }
    });

    it('a wrong environment variable', async () => {
      const outcome = await oxboard(['separate', song], { env: { DEMUCS_DEVICE: 'gpu' } });
      assertFailed(
        outcome,
        2,
        /auto, cpu, cuda or cuda:N for the environment variable DEMUCS_DEVICE/,
      );
    });
  });

  it('ends with 1 for an unknown model, naming those installed', async () => {
    const outcome = await oxboard(['separate', song, '-n', 'nomodel', '--models-dir', modelsDir]);
    assertFailed(outcome, 1, /Model "nomodel" is not installed.*toy/);
  });

  it('takes model, folder and device from the environment', async () => {
    const { status, stderr } = await oxboard(['separate', song, '--stems', 'bass', '-o', 'out'], {
      cwd: folder,
      env: {
        DEMUCS_MODELS_PATH: modelsDir,
        DEMUCS_DEFAULT_MODEL: 'toy',
        DEMUCS_GPU_ENABLED: 'false',
        DEMUCS_THREADS: '1',
      },
    });
    assert.equal(status, 0, stderr);
    assert.match(stderr, /on cpu with 1 thread\n/);
  });

  it('says how to install a missing ffmpeg', async () => {
    const outcome = await oxboard(['separate', song, '-n', 'toy', '--models-dir', modelsDir], {
      env: { PATH: '/nowhere' },
    });
    assertFailed(outcome, 1, /npx oxboard setup/);
  });
});

describe('oxboard', () => {
  it('tells its version and helps with examples', async () => {
    const version = await oxboard(['--version']);
    assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
    for (const args of [['--help'], ['help', 'separate'], ['models', 'export', '--help']]) {
      const { status, stdout } = await oxboard(args);
      assert.equal(status, 0);
      assert.match(stdout, /Examples?:\n +\$ oxboard /);
    }
  });
});
