/**
 * The life of jobs against a small model of it: anything may happen in any order, with faults between,
 * on the real scripts with a clock that the test sets. MODEL_SEED repeats a run, MODEL_SECONDS bounds it.
 */
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import fc from 'fast-check';
import type { Claim, Dispatcher } from '../../src/jobs/ports.js';
import { TIMING } from '../../src/jobs/timing.js';
import { createClaims } from '../../src/queue/claims.js';
import { createJobs } from '../../src/queue/jobs.js';
import { PREFIX } from '../../src/queue/keys.js';
import { SCRIPT_SOURCES, type QueueScripts } from '../../src/queue/scripts.js';
import { createSweeper } from '../../src/queue/sweeper.js';
import { createWorkers } from '../../src/queue/workers.js';
import { connectRedis } from '../../src/redis/connection.js';
import type { Storage } from '../../src/storage/storage.js';
import { startRedis } from '../support/redis.js';
import { admission, quiet, result, RUNTIME, TENANT, worker } from './harness.js';

const SEED = Number(process.env.MODEL_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** As many runs as there is time for; shrinking a failure takes from it too. */
const SECONDS = Number(process.env.MODEL_SECONDS ?? 15);
const TTL_MS = 20_000;
const MAX_WAIT_MS = 60_000;
/** As in src: see TIMING, sweeper.ts and workers.ts. */
const { leaseMs: LEASE_MS, outageDelayMs: OUTAGE_DELAY_MS } = TIMING;
const LONGEST_GAP_MS = 10_000;
const HEARD_MS = 15_000;
const MAX_LOSSES = 3;
const MAX_ATTEMPTS = 20;

/** What the scripts take for the time, in milliseconds. */
const CLOCK = 'test:clock';
const TIME = "local time = call('TIME')";
const sources = Object.fromEntries(
  Object.entries(SCRIPT_SOURCES).map(([name, source]) => {
    assert.ok(source.includes(TIME), name);
    return [name, source.replace(TIME, `local time = { call('GET', '${CLOCK}') / 1000, 0 }`)];
  }),
) as Record<keyof QueueScripts, string>;

const redis = await startRedis({ after });
const settings = { redisUrl: redis.url, redisDb: 0 };
const connection = await connectRedis<QueueScripts>(settings, quiet, sources);
after(() => connection.close());
const dispatcher: Dispatcher = {
  wake: () => Promise.resolve(),
  waiting: () => Promise.resolve(0),
  listen: () => undefined,
  close: () => Promise.resolve(),
};
const nothing = () => Promise.resolve();
const storage = { remove: nothing, removeAll: nothing } as unknown as Storage;
const shared = { dispatcher, storage, jobTtl: TTL_MS / 1000, logger: quiet };
const jobs = createJobs(connection, shared);
const claims = createClaims(connection, shared);
const sweeper = createSweeper(connection, { ...shared, maxWait: MAX_WAIT_MS / 1000 });
const workers = createWorkers(connection);
const send = (...args: (string | number)[]) => connection.send(args.map(String));

interface ModelJob {
  id: string;
  client: string;
  lane: string;
  /** Whether other jobs are equal: they may be parked until one of them has its result. */
  shared: boolean;
  key: string | undefined;
  status: 'pending' | 'processing' | 'completed' | 'failed' | 'cancelled' | 'gone';
  /** Token of the claim that holds it. */
  held: string | undefined;
  leaseEnd: number;
  endedAt: number;
  attempts: number;
  losses: number;
  frames: number;
  waitsSince: number;
  /** Until when an outage keeps it away from its lane. */
  delayedUntil: number;
  /** Clients that had a turn in its lane since it waits there, and since its own client had one. */
  passed: Set<string>;
  /** A fault took it from where it waited or was worked on; the next sweep repairs that. */
  misplaced: boolean;
}

interface Model {
  now: number;
  served: number;
  sweptAt: number | undefined;
  heardAt: number;
  jobs: ModelJob[];
  claims: Claim[];
  /** Keys that a fault removed, as patterns. */
  lost: Set<string>;
}
type Real = null;
type Command = fc.AsyncCommand<Model, Real>;

const isActive = ({ status }: ModelJob) => status === 'pending' || status === 'processing';
const isHeld = ({ held }: ModelJob) => held !== undefined;
const waits = (job: ModelJob) => isActive(job) && !isHeld(job) && job.delayedUntil === 0;
const at = <T>(items: readonly T[], index: number): T | undefined => items[index % items.length];

function queueAgain(job: ModelJob, model: Model): void {
  Object.assign(job, { held: undefined, waitsSince: model.served, delayedUntil: 0 });
  job.passed = new Set();
}

function end(job: ModelJob, status: ModelJob['status'], model: Model): void {
  Object.assign(job, { status, held: undefined, endedAt: model.now, delayedUntil: 0 });
}

function lose(job: ModelJob, model: Model): void {
  job.losses++;
  if (job.losses >= MAX_LOSSES || job.attempts >= MAX_ATTEMPTS) end(job, 'failed', model);
  else queueAgain(job, model);
}

/** The records are what the model says. */
async function compare(model: Model): Promise<void> {
  const found = await Promise.all(
    model.jobs.map(({ id }) => connection.scripts.get({ id, tenant: TENANT })),
  );
  for (const [index, job] of model.jobs.entries()) {
    const { record } = found[index]!;
    const status = record?.status ?? 'gone';
    // Whether it waited too long is not known where a fault changed where it waits, or it was parked.
    if (status === 'failed' && waits(job) && (job.misplaced || job.shared)) end(job, status, model);
    assert.equal(status, job.status, `status of job ${job.id}`);
    if (isActive(job))
      assert.equal(Number(record?.attempts), job.attempts, `attempts of job ${job.id}`);
  }
}

/** A command that the model and the queue run, with a name for what fast-check prints. */
const command = (name: string, run: (model: Model) => Promise<unknown>): Command => ({
  check: () => true,
  run: async (model) => {
    await run(model);
    await compare(model);
  },
  toString: () => name,
});

let admitted = 0;

const admit = (client: string, costSeconds: number, song: string | undefined, key?: string) =>
  command(`admit ${client} ${String(costSeconds)} s ${song ?? ''} ${key ?? ''}`, async (model) => {
    const before = model.jobs.find((job) => key !== undefined && job.key === key);
    const { job, replayed } = await jobs.admit(
      admission({
        id: `job-${String(++admitted)}`,
        client,
        costSeconds,
        ...(song !== undefined && { sha256: song }),
        ...(key !== undefined && { idempotency: { key, fingerprint: 'same' } }),
      }),
    );
    const known = before && before.status !== 'gone';
    assert.equal(replayed, Boolean(known));
    if (known) {
      assert.equal(job.id, before.id);
      return;
    }
    if (before) before.key = undefined;
    model.jobs.push({
      id: job.id,
      client,
      lane: costSeconds < 120 ? 'short' : 'long',
      shared: song !== undefined,
      key,
      status: 'pending',
      held: undefined,
      leaseEnd: 0,
      endedAt: 0,
      attempts: 0,
      losses: 0,
      frames: 0,
      waitsSince: model.served,
      delayedUntil: 0,
      passed: new Set(),
      misplaced: false,
    });
  });

async function claimNext(model: Model): Promise<Claim | undefined> {
  const claim = await claims.claim('worker', RUNTIME);
  if (!claim) {
    const left = model.jobs.find((job) => waits(job) && !job.shared && !job.misplaced);
    assert.equal(left?.id, undefined, 'a job waits, and there was nothing to claim');
    return undefined;
  }
  const job = model.jobs.find(({ id }) => id === claim.job.id)!;
  assert.ok(waits(job) || job.misplaced, `${job.id} was claimed, which does not wait`);
  for (const other of model.jobs) {
    if (other === job || other.lane !== job.lane || !waits(other) || other.misplaced) continue;
    if (other.client === job.client) {
      other.passed.clear();
      continue;
    }
    const passedOver = other.passed.has(job.client) && !other.shared;
    assert.ok(!passedOver, `${job.client} has a second turn before ${other.id} of ${other.client}`);
    other.passed.add(job.client);
  }
  Object.assign(job, {
    status: 'processing',
    held: claim.token,
    delayedUntil: 0,
    misplaced: false,
  });
  job.leaseEnd = model.now + LEASE_MS;
  job.attempts++;
  model.claims.push(claim);
  return claim;
}

/** Something that a worker does with a claim, also with one that it has lost. */
const withClaim = (
  name: string,
  index: number,
  act: (claim: Claim) => Promise<boolean>,
  effect: (job: ModelJob, model: Model) => void,
) =>
  command(`${name} claim ${String(index)}`, async (model) => {
    const claim = at(model.claims, index);
    if (!claim) return;
    const job = model.jobs.find(({ id }) => id === claim.job.id)!;
    const holds = job.held === claim.token;
    assert.equal(await act(claim), holds, `${name} of a claim that ${holds ? 'holds' : 'is void'}`);
    if (holds) effect(job, model);
  });

const outage = { code: 'DISK_FULL', message: 'full' };
const claimCommands = fc.nat(30).chain((index) =>
  fc.oneof(
    ...[
      withClaim(
        'progress',
        index,
        (claim) => claims.progress(claim, { stage: 'separating', progress: 50 }),
        () => undefined,
      ),
      withClaim(
        'renew',
        index,
        async (claim) => (await claims.renew(claim)) === undefined,
        // Renewing also repairs a lease that a fault removed.
        (job, model) => Object.assign(job, { leaseEnd: model.now + LEASE_MS, misplaced: false }),
      ),
      withClaim(
        'checkpoint',
        index,
        (claim) => claims.checkpointed(claim, { series: 'one', frames: index % 4 }),
        (job) => {
          // The first position counts as progress, also the beginning.
          if (job.frames !== 0 && index % 4 < job.frames) return;
          if ((index % 4) + 1 > job.frames)
            Object.assign(job, { frames: (index % 4) + 1, losses: 0 });
        },
      ),
      withClaim(
        'complete',
        index,
        async (claim) => {
          const { status } = (await jobs.get(claim.job.id, TENANT)) ?? {};
          const done = await claims.complete(claim, claim.cached ?? result(`of ${claim.token}`));
          // Told again, it says the same.
          return done && status !== 'completed';
        },
        (job, model) => end(job, 'completed', model),
      ),
      withClaim(
        'fail',
        index,
        (claim) => claims.fail(claim, { code: 'INTERNAL', message: '' }),
        (job, model) => end(job, 'failed', model),
      ),
      withClaim(
        'hand back',
        index,
        (claim) => claims.handBack(claim),
        (job, model) => {
          job.attempts--;
          queueAgain(job, model);
        },
      ),
      withClaim(
        'outage for',
        index,
        (claim) => claims.handBack(claim, outage),
        (job, model) => {
          const { waitsSince } = job;
          job.attempts--;
          queueAgain(job, model);
          Object.assign(job, { waitsSince, delayedUntil: model.now + OUTAGE_DELAY_MS });
        },
      ),
      withClaim('give up', index, (claim) => claims.giveUp(claim), lose),
    ].map((one) => fc.constant(one)),
  ),
);

const cancel = (index: number) =>
  command(`cancel or remove job ${String(index)}`, async (model) => {
    const job = at(model.jobs, index);
    if (!job) return;
    const outcome = await jobs.cancelOrRemove(job.id, TENANT);
    const expected = job.status === 'gone' ? undefined : isActive(job) ? 'cancelled' : 'removed';
    assert.equal(outcome, expected);
    if (outcome === 'cancelled') end(job, 'cancelled', model);
    else job.status = 'gone';
  });

async function pass(model: Model, milliseconds: number): Promise<void> {
  model.now += milliseconds;
  await send('SET', CLOCK, model.now);
}

/** Time with a worker and a sweep at its end. */
async function serve(model: Model): Promise<void> {
  await pass(model, LONGEST_GAP_MS);
  await announce(model);
  await sweep(model);
}

async function announce(model: Model): Promise<void> {
  await workers.announce(worker('worker'));
  model.heardAt = model.now;
}

async function sweep(model: Model): Promise<void> {
  await sweeper.sweep();
  const { now, sweptAt = now, heardAt } = model;
  if (now - heardAt <= HEARD_MS) model.served += Math.min(now - sweptAt, LONGEST_GAP_MS);
  model.sweptAt = now;
  for (const job of model.jobs) {
    if (isHeld(job) && job.misplaced) queueAgain(job, model);
    else if (isHeld(job) && job.leaseEnd <= now) lose(job, model);
    else if (!isActive(job) && job.status !== 'gone' && job.endedAt + TTL_MS <= now) {
      job.status = 'gone';
    }
    const due = job.delayedUntil !== 0 && job.delayedUntil <= now;
    const late = model.served - job.waitsSince >= MAX_WAIT_MS;
    if (late && !job.shared && !job.misplaced && (waits(job) || due)) end(job, 'failed', model);
    if (due) job.delayedUntil = 0;
  }
  await compare(model);
  for (const job of model.jobs.filter(({ misplaced }) => misplaced)) {
    job.misplaced = false;
    if (isActive(job) && !isHeld(job)) {
      job.waitsSince = Number(await send('HGET', `${PREFIX}job:${job.id}`, 'waitsSince'));
      const delayed = await send('ZSCORE', `${PREFIX}delayed`, job.id);
      job.delayedUntil = Number(delayed ?? 0);
      job.passed = new Set();
    }
  }
}

const loseRecord = (index: number, field: string | undefined) =>
  command(`${field ?? 'delete'} damages job ${String(index)}`, async (model) => {
    const job = at(model.jobs, index);
    if (!job || job.status === 'gone') return;
    const key = `${PREFIX}job:${job.id}`;
    await (field === undefined ? send('DEL', key) : send('HSET', key, field, 'x1.'));
    Object.assign(job, { status: 'gone', held: undefined });
  });

const loseKeys = (pattern: string) =>
  command(`the keys ${pattern} are lost`, async (model) => {
    for (const key of (await send('KEYS', `${PREFIX}${pattern}`)) as string[])
      await send('DEL', key);
    model.lost.add(pattern);
    for (const job of model.jobs) {
      // Who has had a turn is forgotten.
      if (pattern === 'turns:*') job.passed.clear();
      if (!isActive(job)) continue;
      if (isHeld(job) ? pattern === 'leases' : pattern !== 'leases') job.misplaced = true;
    }
  });

const client = fc.constantFrom('a', 'b', 'c');
const song = fc.option(fc.constantFrom('one', 'two'), { nil: undefined, freq: 4 });
const key = fc.option(fc.constantFrom('k', 'l'), { nil: undefined, freq: 3 });
const cost = fc.constantFrom(0, 1e-9, 3, 500);
const FIELDS = ['lane', 'status', 'number', 'costMs', 'attempts', 'waitsSince', 'progress'];
const LOST = ['lane:*', 'queue:*', 'waiting:*', 'places', 'queued', 'leases', 'delayed', 'turns:*'];

const often = (weight: number, arbitrary: fc.Arbitrary<Command>) => ({ weight, arbitrary });
const anyCommand = fc.oneof(
  often(
    6,
    fc.tuple(client, cost, song, key).map((args) => admit(...args)),
  ),
  often(6, fc.constant(command('claim', claimNext))),
  often(10, claimCommands),
  often(2, fc.nat(30).map(cancel)),
  often(
    3,
    fc
      .constantFrom(1_000, 9_000, 16_000, 40_000)
      .map((ms) => command(`${String(ms)} ms pass`, (model) => pass(model, ms))),
  ),
  often(2, fc.constant(command('a heartbeat', announce))),
  often(4, fc.constant(command('sweep', sweep))),
  often(4, fc.constant(command('service goes on', serve))),
  often(
    1,
    fc
      .tuple(fc.nat(30), fc.option(fc.constantFrom(...FIELDS), { nil: undefined }))
      .map(([index, field]) => loseRecord(index, field)),
  ),
  often(1, fc.constantFrom(...LOST).map(loseKeys)),
);

/** Every job that is left comes to its end, and nothing of the queue remains. */
async function drain(model: Model): Promise<void> {
  for (let round = 0; round === 0 || model.jobs.some(isActive); round++) {
    assert.ok(round < 100, 'jobs do not come to their end');
    await announce(model);
    await pass(model, 1_000);
    await sweep(model);
    for (let claim = await claimNext(model); claim; claim = await claimNext(model)) {
      await claims.complete(claim, claim.cached ?? result(`of ${claim.token}`));
      end(
        model.jobs.find(({ id }) => id === claim.job.id)!,
        'completed',
        model,
      );
    }
    if (round > 5) await pass(model, LEASE_MS + OUTAGE_DELAY_MS);
  }
  await compare(model);
  // Ids that have lost their record are found at the latest when they would have waited too long.
  for (let waited = 0; waited <= MAX_WAIT_MS; waited += LONGEST_GAP_MS) {
    await serve(model);
  }
  const left = (await send('KEYS', `${PREFIX}*`)) as string[];
  // An id whose lane and place are lost stays in the queue of its client until that client comes again.
  const queueMayStay = model.lost.has('lane:*') && model.lost.has('places');
  const inUse = queueMayStay
    ? /^(lane|waiting|leases|places|queued|delayed|status):?/
    : /^(lane|queue|waiting|leases|places|queued|delayed|status):?/;
  assert.deepEqual(
    left.map((name) => name.slice(PREFIX.length)).filter((name) => inUse.test(name)),
    [],
    'what remains of the queue',
  );
}

it('jobs live as the model says, whatever happens and in whatever order', async (context) => {
  context.diagnostic(`MODEL_SEED=${String(SEED)}`);
  await fc.assert(
    fc.asyncProperty(
      fc.commands([anyCommand], { maxCommands: 60, size: 'max' }),
      async (commands) => {
        await send('FLUSHALL');
        const model: Model = {
          now: 1_000_000_000,
          served: 0,
          sweptAt: undefined,
          heardAt: 0,
          jobs: [],
          claims: [],
          lost: new Set(),
        };
        await pass(model, 0);
        await announce(model);
        await fc.asyncModelRun(() => ({ model, real: null }), commands);
        await drain(model);
      },
    ),
    {
      seed: SEED,
      numRuns: 10_000,
      interruptAfterTimeLimit: SECONDS * 1000,
      includeErrorInReport: true,
    },
  );
});
