/** The checker of `npm run chaos` finds each broken promise. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { check, type Evidence, type Outcome } from '../../scripts/chaos/checker.js';
import { emptyHistory, type KnownJob } from '../../scripts/chaos/history.js';

const SUMS = { vocals: 'aa', drums: 'bb' };
const completed: Outcome = {
  status: 'completed',
  errorCode: undefined,
  downloaded: SUMS,
  told: SUMS,
};

const job = (more: Partial<KnownJob> = {}): KnownJob => ({
  id: 'a',
  recipe: 'short',
  admittedAt: 100_000,
  events: [
    { at: 100_000, status: 'pending', progress: 0 },
    { at: 110_000, status: 'completed', progress: 100 },
  ],
  states: [{ at: 111_000, status: 'completed', progress: 100 }],
  replays: [{ id: 'a', at: 100_500 }],
  ...more,
});

/** What there is when everything went well, but for `more`. */
function evidence(
  more: Partial<Evidence> & { jobs?: KnownJob[]; losses?: Evidence['history']['losses'] } = {},
): Evidence {
  const { jobs = [job()], losses = [], ...rest } = more;
  return {
    history: { ...emptyHistory(), jobs, losses },
    outcomes: new Map([['a', completed]]),
    listed: ['a'],
    logs: new Map([['a', { started: 1, completed: 1 }]]),
    expected: new Map([['short', SUMS]]),
    leftovers: [],
    ...rest,
  };
}

const outcome = (more: Partial<Outcome>) => new Map([['a', { ...completed, ...more }]]);
/** Redis lost the time in which the job was admitted, and all that clients were told. */
const LOST = [{ from: 99_000, to: 112_000 }];
const failed = { status: 'failed', errorCode: 'ATTEMPTS_EXHAUSTED' };
const untold = { events: [], states: [] };

describe('the checker', () => {
  it('says nothing when every promise was kept', () => {
    const { faults, counts } = check(evidence());
    assert.deepEqual(faults, []);
    assert.equal(counts.completed, 1);
  });

  const broken: Record<string, [Evidence, RegExp]> = {
    'a lost job': [evidence({ outcomes: new Map(), listed: [] }), /is lost/],
    'a job of which nobody was told': [evidence({ listed: ['a', 'b'] }), /Nobody was told/],
    'another job for one key': [
      evidence({ jobs: [job({ replays: [{ id: 'b', at: 100_500 }] })] }),
      /another id by its key/,
    ],
    'a job that was completed twice': [
      evidence({ logs: new Map([['a', { started: 2, completed: 2 }]]) }),
      /completed 2 times/,
    ],
    'other bytes': [
      evidence({ outcomes: outcome({ told: { ...SUMS, drums: 'cc' } }) }),
      /other bytes.*drums/,
    ],
    'a missing stem': [evidence({ outcomes: outcome({ told: { vocals: 'aa' } }) }), /drums/],
    'a stem that cannot be downloaded': [
      evidence({ outcomes: outcome({ downloaded: { ...SUMS, vocals: 'status 404' } }) }),
      /cannot be had.*vocals.*404/,
    ],
    'two ends': [
      evidence({ jobs: [job({ states: [{ at: 111_000, status: 'failed', progress: 50 }] })] }),
      /completed and failed/,
    ],
    'an event after the end': [
      evidence({
        jobs: [job({ events: [...job().events, { at: 112_000, status: 'pending', progress: 0 }] })],
      }),
      /events after its end/,
    ],
    'another end than was told': [
      evidence({ outcomes: outcome(failed), logs: new Map([['a', { started: 3, completed: 0 }]]) }),
      /said to be completed, but is failed/,
    ],
    'a failure that no fault excuses': [
      evidence({
        jobs: [job(untold)],
        outcomes: outcome({ status: 'failed', errorCode: 'INTERNAL' }),
      }),
      /failed INTERNAL/,
    ],
    'a job that is given up too early': [
      evidence({ jobs: [job(untold)], outcomes: outcome(failed) }),
      /failed ATTEMPTS_EXHAUSTED/,
    ],
    'a removed job that is still there': [
      evidence({ jobs: [job({ deleteSentAt: 120_000, deletedAt: 120_100 })] }),
      /was deleted, but is completed/,
    ],
    'files that are left': [evidence({ leftovers: ['/storage/x'] }), /x was left behind/],
  };
  for (const [name, [given, expected]] of Object.entries(broken)) {
    it(`finds ${name}`, () => {
      const { faults } = check(given);
      assert.equal(faults.length, 1, faults.join('\n'));
      assert.match(faults[0]!, expected);
    });
  }

  const excused: Record<string, Evidence> = {
    'a job that was accepted in a second that Redis lost': evidence({
      losses: LOST,
      outcomes: new Map(),
      listed: [],
    }),
    'a job that is done again because Redis lost its end': evidence({
      losses: LOST,
      logs: new Map([['a', { started: 2, completed: 2 }]]),
    }),
    'a job that is given up after three killed workers': evidence({
      jobs: [job(untold)],
      outcomes: outcome(failed),
      logs: new Map([['a', { started: 3, completed: 0 }]]),
    }),
    'a job that was removed': evidence({
      jobs: [job({ deleteSentAt: 120_000, deletedAt: 120_100 })],
      outcomes: new Map(),
      listed: [],
    }),
  };
  for (const [name, given] of Object.entries(excused)) {
    it(`excuses ${name}`, () => assert.deepEqual(check(given).faults, []));
  }
});
