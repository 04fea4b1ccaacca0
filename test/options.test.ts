/** Options of every type: complete and in range, or refused by name. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OxboardError } from '../src/errors.js';
import {
  describeOption,
  InvalidOptionError,
  jobOptions,
  loadOptions,
  optionFromText,
  outputOptions,
  resolveOptions,
  separatedName,
  separateOptions,
  streamOptions,
} from '../src/options.js';
import { HOSTILE_JSON, pick, randomNumbers } from './support/random.js';

const ROUNDS = 20_000;

const SCHEMAS = { loadOptions, separateOptions, outputOptions };

/** What a caller in JavaScript may pass, on top of what JSON can hold. */
const HOSTILE: readonly unknown[] = [
  ...HOSTILE_JSON,
  undefined,
  NaN,
  Infinity,
  -Infinity,
  -0,
  10n,
  Symbol('s'),
  new Date(NaN),
  /x/,
  new Map(),
  new Set([1]),
  new Error('e'),
  new Float32Array(4),
  new AbortController().signal,
  new AbortController(),
  Promise.resolve(1),
  Object.create(null),
  () => 1,
  Date,
  new String('cpu'),
  new Number(1),
];

const GOOD: readonly unknown[] = [
  'cpu', 'auto', 'wav', 'mp3', '16', '24', '32f', 'vocals', ['vocals'], ['a', 'b'], 'add', 'minus',
  'rescale', 'none', 'keep', 'model', 44_100, 0, 1, 2, 0.25, 320, true,
]; // prettier-ignore

describe('options', () => {
  for (const [name, schema] of Object.entries(SCHEMAS)) {
    it(`${name} are valid or refused when values are random`, (context) => {
      const random = randomNumbers(3);
      const known = Object.keys(schema.shape);
      const unknown = ['', 'x', '__proto__', 'constructor', 'Stems', 'over-lap', '0'];
      let accepted = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const count = Math.floor(random() * 4);
        const input = Object.fromEntries(
          Array.from({ length: count }, () => [
            pick(random, random() < 0.97 ? known : unknown),
            pick(random, random() < 0.6 ? GOOD : HOSTILE),
          ]),
        );
        try {
          const resolved = resolveOptions(schema, input);
          accepted++;
          for (const key of Object.keys(resolved)) assert.ok(known.includes(key), key);
        } catch (error) {
          assert.ok(error instanceof OxboardError, String(error));
          assert.equal(error.code, 'INVALID_OPTION');
          assert.ok(error.message.length < 1000);
          if (error instanceof InvalidOptionError) assert.ok(known.includes(error.option));
        }
      }
      context.diagnostic(`${String(accepted)} of ${String(ROUNDS)} were valid`);
      assert.ok(accepted > ROUNDS / 20 && accepted < ROUNDS);
    });

    it(`${name} are refused when they are no object`, () => {
      for (const input of HOSTILE) {
        if (input === undefined || input === null) continue;
        try {
          resolveOptions(schema, input);
          assert.ok(typeof input === 'object');
        } catch (error) {
          assert.ok(error instanceof OxboardError, String(error));
          assert.equal(error.code, 'INVALID_OPTION');
        }
      }
    });
  }

  it('are described in a sentence each', () => {
    for (const schema of [loadOptions, streamOptions, outputOptions, jobOptions]) {
      for (const name of Object.keys(schema.shape)) {
        const { description } = describeOption(schema, name);
        assert.match(description, /^[A-Z].*[^.]$/, name);
      }
    }
    assert.deepEqual(describeOption(jobOptions, 'sampleRate'), {
      description: jobOptions.shape.sampleRate.description,
      words: 'model, keep or an integer from 8000 to 192000',
      defaultValue: 'model',
      choices: ['model', 'keep'],
      isNumber: true,
      isBoolean: false,
      isList: false,
    });
  });

  it('have one name, with the separators of each caller', () => {
    assert.equal(separatedName('otherMethod', '-'), 'other-method');
    assert.equal(separatedName('otherMethod', '_'), 'other_method');
    assert.equal(separatedName('seed', '_'), 'seed');
  });

  it('are read from text', () => {
    const cases: [option: keyof typeof jobOptions.shape, given: unknown, value: unknown][] = [
      ['shifts', ' 2', 2],
      ['shifts', 'two', 'two'],
      ['shifts', '', ''],
      ['shifts', ['1', '2'], ['1', '2']],
      ['segment', '1e-300', 1e-300],
      ['segment', 'Infinity', 'Infinity'],
      ['sampleRate', '48000', 48_000],
      ['sampleRate', 'keep', 'keep'],
      ['bitDepth', '16', '16'],
      ['stems', 'vocals, bass', ['vocals', 'bass']],
      ['stems', ['vocals,drums', 'bass'], ['vocals', 'drums', 'bass']],
      ['stems', '', ['']],
      ['mix', ['a=drums+bass', 'b=vocals'], ['a=drums+bass', 'b=vocals']],
      ['mixtureConsistent', 'true', true],
      ['mixtureConsistent', '0', false],
      ['mixtureConsistent', 'yes', 'yes'],
      ['start', '1.5', 1.5],
      ['start', '1:30', '1:30'],
    ];
    for (const [option, given, value] of cases)
      assert.deepEqual(optionFromText(describeOption(jobOptions, option), given), value);
  });

  it('take times in seconds and as mm:ss', () => {
    const { start, end } = resolveOptions(jobOptions, { start: '1:30.5', end: '1:01:30' });
    assert.deepEqual([start, end], [90.5, 3690]);
    for (const wrong of ['1:', ':30', '1:2:3:4', '-1', -1]) {
      assert.throws(() => resolveOptions(jobOptions, { start: wrong }), { code: 'INVALID_OPTION' });
    }
  });

  it('have defaults', () => {
    const { overlap, shifts } = resolveOptions(separateOptions, undefined);
    assert.deepEqual({ overlap, shifts }, { overlap: 0.25, shifts: 0 });
  });

  it('are refused with what was expected and what was received', () => {
    const refuse = (input: unknown, message: string | RegExp) =>
      assert.throws(() => resolveOptions(separateOptions, input), {
        code: 'INVALID_OPTION',
        message,
      });
    refuse(
      { shifts: '2' },
      'Expected integer from 0 to 100 for shifts but received "2" of type string',
    );
    refuse(
      { overlap: 1 },
      'Expected number from 0 up to (not including) 1 for overlap but received 1 of type number',
    );
    assert.throws(() => resolveOptions(outputOptions, { format: 'WAVE' }), {
      message:
        'Expected one of wav, flac, mp3, opus, m4a for format but received "WAVE" (did you mean "wav"?)',
    });
    refuse({ overlp: 0.5 }, 'Misspelled option "overlp" should be "overlap"');
    refuse({ colour: 'red' }, /^Unknown option "colour"\. Known options: stems, /);
    refuse([], 'Expected object for options but received array of 0 elements');
  });
});
