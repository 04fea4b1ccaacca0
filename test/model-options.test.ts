/** What options mean for a model: what it cannot do, and how much work the rest is. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkModelOptions, workSeconds } from '../src/model-options.js';
import { InvalidOptionError, type JobOptions } from '../src/options.js';

const HTDEMUCS = {
  name: 'htdemucs',
  sources: ['drums', 'bass', 'other', 'vocals'],
  sampleRate: 44_100,
  segment: 343_980,
  minLength: 343_980,
};
/** Runs inputs of any length. */
const HDEMUCS = { ...HTDEMUCS, name: 'hdemucs_mmi', segment: 1_940_400, minLength: 1 };

describe('options that a model cannot do', () => {
  const cases: [options: Partial<JobOptions>, message: string][] = [
    [
      { stems: ['drums', 'vocal'] },
      'Expected one of drums, bass, other, vocals for stems but received "vocal" (did you mean "vocals"?)',
    ],
    [
      { twoStems: 'piano' },
      'Expected one of drums, bass, other, vocals for twoStems but received "piano"',
    ],
    [{ stems: ['bass'], twoStems: 'bass' }, 'Choose stems or two stems, not both'],
    [
      { segment: 7.81 },
      'Expected number of seconds from 0.00005 up to 7.80 (htdemucs) for segment but received 7.81 of type number',
    ],
    [
      { segment: Number.MIN_VALUE },
      'Expected number of seconds from 0.00005 up to 7.80 (htdemucs) for segment but received 5e-324 of type number',
    ],
    [
      { segment: 0.02, overlap: 0.999 },
      'Expected number of seconds from 0.02268 up to 7.80 (htdemucs) for segment but received 0.02 of type number',
    ],
    [
      { segment: 1, overlap: 1 - 1e-9 },
      'Expected number that leaves a step of at least one sample for overlap but received 0.999999999 of type number',
    ],
    [
      { mix: ['vocals=drums+bass'] },
      'Expected name that no other stem has for mix but received "vocals" of type string',
    ],
    [
      { mix: ['mixture=drums+bass'] },
      'Expected name that no other stem has for mix but received "mixture" of type string',
    ],
    [
      { twoStems: 'vocals', mix: ['no_vocals=drums+bass'] },
      'Expected name that no other stem has for mix but received "no_vocals" of type string',
    ],
    [
      { mix: ['band=drums+base'] },
      'Expected sum of some of drums, bass, other, vocals for mix but received "base" (did you mean "bass"?)',
    ],
    [
      { mix: ['band=drums+drums'] },
      'Expected each stem once for mix but received "drums" of type string',
    ],
    [
      { mixtureConsistent: true, clipMode: 'tanh' },
      'Expected rescale or none (with mixture-consistent stems) for clipMode but received "tanh" of type string',
    ],
    [
      { start: 5, end: 5 },
      'Expected time after the start (5 s) for end but received 5 of type number',
    ],
  ];
  for (const [options, message] of cases) {
    it(`are refused: ${JSON.stringify(options)}`, () => {
      assert.throws(() => checkModelOptions(options, HTDEMUCS), {
        code: 'INVALID_OPTION',
        message,
      });
    });
  }

  it('are refused with the name that a caller has for them', () => {
    try {
      checkModelOptions({ twoStems: 'vocal' }, HTDEMUCS);
      assert.fail();
    } catch (error) {
      assert.ok(error instanceof InvalidOptionError);
      assert.match(error.named('--two-stems').message, /for --two-stems but .*mean "vocals"/);
    }
  });

  it('are not those at the limits', () => {
    for (const options of [{}, { segment: 7.8 }, { segment: 0.00005 }, { twoStems: 'bass' }])
      checkModelOptions(options, HTDEMUCS);
  });
});

describe('the work of a separation', () => {
  const work = (options: Partial<JobOptions>, seconds: number, model = HTDEMUCS) =>
    workSeconds({ shifts: 0, ...options }, model, seconds);
  const near = (actual: number, expected: number) =>
    assert.ok(
      Math.abs(actual - expected) <= expected * 1e-6,
      `${String(actual)} is not ${String(expected)}`,
    );

  it('is the length of a long song with default options', () => {
    near(work({}, 5850), 5850);
    assert.ok(Math.abs(work({}, 5850, HDEMUCS) - 5850) < 33);
  });

  it('is one segment at least where the network pads its input', () => {
    near(work({}, 0.01), 5.85);
    near(work({}, 10, HDEMUCS), 7.5);
  });

  it('grows with shifts and overlap', () => {
    near(work({ shifts: 4 }, 5849.5), 4 * 5850);
    near(work({ overlap: 0.5 }, 3900), 1.5 * 3900);
  });

  it('grows as segments get shorter, for the network runs at its own length', () => {
    // Steps of 33 samples.
    near(work({ segment: 0.001 }, 7), Math.ceil((7 * 44_100) / 33) * 5.85);
    assert.ok(work({ segment: 0.05 }, 7) > 1000);
    // A network that pads nothing still takes time for each call.
    assert.ok(work({ segment: 0.001 }, 7, HDEMUCS) > 1000);
    assert.ok(
      Math.abs(work({ segment: 22 }, 1650, HDEMUCS) - 1650) < 33,
      'a long segment costs as much',
    );
  });
});

describe('a model whose segments are added as they are', () => {
  const SPLEETER = {
    ...HTDEMUCS,
    name: 'spleeter-2stems',
    segment: 527_360,
    minLength: 527_360,
    overlapAdd: { overlap: 3072, lead: 4096 },
  };

  it('takes no other segments', () => {
    checkModelOptions({ overlap: 0.25 }, SPLEETER);
    for (const options of [{ segment: 5 }, { overlap: 0.5 }]) {
      assert.throws(() => checkModelOptions(options, SPLEETER), {
        code: 'INVALID_OPTION',
        message: 'spleeter-2stems has its own segments: leave out segment and overlap',
      });
    }
  });

  it('is as much work as a long song is long, and more for shifts', () => {
    const hour = workSeconds({ shifts: 0 }, SPLEETER, 3600);
    assert.ok(hour >= 3600 && hour < 3600 + 15, String(hour));
    assert.ok(workSeconds({ shifts: 2 }, SPLEETER, 3600) >= 2 * hour);
    const second = workSeconds({ shifts: 0 }, SPLEETER, 1);
    assert.ok(second > 11 && second < 12, 'one whole segment');
  });
});
