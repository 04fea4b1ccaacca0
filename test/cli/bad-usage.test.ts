/** Wrong options of every type: exit status 2, one line that names the flag, and no output. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { separateCommand } from '../../src/bin/commands/separate.js';
import { describeFailure, isUsageError } from '../../src/bin/report.js';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { modelsDir, oxboard } from '../support/cli.js';

const folder = temporaryFolder({ after });
const song = makeAudio(path.join(folder, 'song.wav'), '0.4*sin(2*PI*440*t)', { seconds: 1 });

const WRONG: Record<string, readonly string[]> = {
  '--stems': ['piano', '', 'vocals,,bass', 'Vocals'],
  '--two-stems': ['piano', ''],
  '--other-method': ['sum', ''],
  '--filename': ['../{stem}.{ext}', '/tmp/{stem}', '{track}/{nothing}', '{track}.{ext}', ''],
  '--format': ['ogg', '', '.mp3'],
  '--bit-depth': ['8', '32', 'sixteen', '', '16.0'],
  '--bitrate': ['320', '1', '1e9', '-1', 'high', '', 'NaN', '320k'],
  '--sample-rate': ['0', '44.1', '7999', '192001', 'same', '', '-44100', 'Infinity'],
  '--clip-mode': ['limit', ''],
  '--shifts': ['-1', '1.5', '101', 'two', '', 'Infinity', '0x'],
  '--overlap': ['1', '-0.1', '25%', '', 'NaN'],
  '--segment': ['0', '-1', '60', 'long', '', 'Infinity', '1e-300', '5e-324', '0.00001'],
  '--seed': ['-1', '4294967296', '0.5', 'random', ''],
  '--device': ['gpu', 'cuda:', 'cuda:x', 'CPU', ''],
  '--threads': ['0', '1025', '1.5', 'all', ''],
  '--models-dir': [''],
  '--out': [''],
};

describe('oxboard separate ends with 2 for', () => {
  for (const [flag, values] of Object.entries(WRONG)) {
    const out = path.join(folder, 'out');
    const common = ['-n', 'toy', '--models-dir', modelsDir, '-o', out];
    const names = (message: string) =>
      message.includes(flag) || message.includes('filename template');
    const [first = '', ...others] = values;

    it(`a wrong ${flag}`, async () => {
      const { status, stdout, stderr } = await oxboard([
        'separate', '--json', ...common, `${flag}=${first}`, song,
      ]); // prettier-ignore
      const what = `${flag}=${first}: ${stderr}`;
      assert.equal(status, 2, what);
      const { error, input } = JSON.parse(stdout) as {
        input: string;
        error: { code: string; message: string };
      };
      assert.equal(input, song);
      assert.equal(error.code, 'INVALID_OPTION', what);
      assert.ok(names(error.message), what);
      assert.ok(stderr.endsWith(`oxboard: ${error.message}\n`), what);
      assert.equal(stderr.match(/^oxboard: /gm)?.length, 1, what);
      assert.doesNotMatch(stderr, /^\s+at .*:\d+/m);
      assert.ok(!existsSync(out), what);
    });

    // In this process: starting one for each value would take most of the time.
    it(`any other wrong ${flag}`, async () => {
      for (const value of others) {
        const what = `${flag}=${value}`;
        const command = separateCommand().parseAsync([...common, what, song], { from: 'user' });
        const error: unknown = await command.then(
          () => assert.fail(what),
          (reason: unknown) => reason,
        );
        const failure = describeFailure(error);
        assert.equal(failure.code, 'INVALID_OPTION', `${what}: ${failure.message}`);
        assert.ok(isUsageError(failure), what);
        assert.ok(names(failure.message), `${what}: ${failure.message}`);
        assert.ok(!existsSync(out), what);
      }
    });
  }

  for (const [what, flags, message] of [
    ['a bitrate of a lossless format', ['--format', 'flac', '--bitrate', '320'], /--bitrate/],
    [
      'a bit depth that the format has not',
      ['--format', 'flac', '--bit-depth', '32f'],
      /--bit-depth/,
    ],
    [
      'a rate that the format has not',
      ['--format', 'opus', '--sample-rate', '44100'],
      /--sample-rate/,
    ],
    ['stems and two stems', ['--stems', 'bass', '--two-stems', 'bass'], /not both/],
    ['an unknown flag', ['--overlpa', '0.5'], /Did you mean --overlap/],
    ['a flag without its value', ['--overlap'], /argument missing/],
  ] as const) {
    it(what, async () => {
      const flagsLast = ['separate', song, '-n', 'toy', '--models-dir', modelsDir, ...flags];
      const { status, stderr } = await oxboard(flagsLast, { cwd: folder });
      assert.equal(status, 2, stderr);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /^\s+at .*:\d+/m);
      assert.ok(!existsSync(path.join(folder, 'separated')));
    });
  }
});
