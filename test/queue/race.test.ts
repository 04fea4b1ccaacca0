/** A thousand jobs, several workers, and everything that can go wrong at any moment. */
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { isFinished, type JobEvent } from '../../src/jobs/job.js';
import type { Claim } from '../../src/jobs/ports.js';
import { randomNumbers } from '../support/random.js';
import { admission, result, startQueue, TENANT, worker, type Member } from './harness.js';
import { until } from '../support/until.js';

async function collect(stream: AsyncIterable<JobEvent>): Promise<JobEvent[]> {
  const events: JobEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

const JOBS = 1000;
const WORKERS = 6;
const queue = await startQueue({ after });
const api = await queue.join();
// Too short for a worker that dawdles, so that some claims are lost while they are worked on.
const members = await Promise.all(
  Array.from({ length: WORKERS }, () => queue.join({ leaseMs: 30, progressMs: 0 })),
);

it('a thousand jobs: none lost, none ended twice, none ever goes back', async (context) => {
  const random = randomNumbers(7);
  await Promise.all(members.map((_, at) => api.workers.announce(worker(`worker-${at}`))));
  const ended = new Map<string, string[]>();
  const note = (id: string, how: string) => ended.set(id, [...(ended.get(id) ?? []), how]);

  async function doJob({ claims }: Member, claim: Claim): Promise<void> {
    const { id } = claim.job;
    const chance = random();
    if (chance < 0.05) return; // killed
    if (chance < 0.1) await claims.handBack(claim);
    else if (chance < 0.15) {
      // Two threads of one confused worker.
      const ends = [
        async () => {
          if (await claims.complete(claim, claim.cached ?? result())) note(id, 'completed');
        },
        async () => {
          if (await claims.fail(claim, { code: 'INTERNAL', message: '' })) note(id, 'failed');
        },
      ];
      if (random() < 0.5) ends.reverse();
      await Promise.all(ends.map((end) => end()));
    } else {
      await claims.progress(claim, { stage: 'separating', progress: 50 });
      if (chance < 0.25)
        await until(async () => (await claims.renew(claim)) !== undefined || random() < 0.2);
      if (await claims.complete(claim, claim.cached ?? result())) note(id, 'completed');
    }
  }

  let over = false;
  const working = members.map(async (member, at) => {
    while (!over) {
      const claim = await member.claim(`worker-${at}`);
      if (claim) await doJob(member, claim);
      else await member.sweeper.sweep();
    }
  });

  const ids: string[] = [];
  const events = new Map<string, Promise<JobEvent[]>>();
  for (let count = 0; count < JOBS; count++) {
    const { job } = await api.jobs.admit(
      admission({
        costSeconds: random() < 0.5 ? 5 : 500,
        sha256: random() < 0.3 ? `song ${Math.floor(random() * 20)}` : `own ${count}`,
      }),
    );
    ids.push(job.id);
    if (count % 10 === 0) {
      const { signal } = new AbortController();
      const stream = await api.jobs.events(job.id, TENANT, { signal });
      events.set(job.id, collect(stream!));
    }
    const victim = ids[Math.floor(random() * ids.length)]!;
    const current = random() < 0.1 ? await api.jobs.get(victim, TENANT) : undefined;
    if (current && !isFinished(current)) {
      const outcome = await api.jobs.cancelOrRemove(victim, TENANT);
      note(victim, outcome ?? 'gone');
    }
  }
  const busy = async () => {
    const { pending, processing } = await api.jobs.counts();
    return pending + processing > 0;
  };
  await until(async () => !(await busy()), 'the end of all jobs');
  over = true;
  await Promise.all(working);

  const tally: Record<string, number> = {};
  for (const id of ids) {
    const job = await api.jobs.get(id, TENANT);
    const ends = ended.get(id) ?? [];
    const status = job?.status ?? 'removed';
    tally[status] = (tally[status] ?? 0) + 1;
    if (!job) {
      // The cancelling came when it had just ended, so that it removed the record.
      assert.ok(ends.includes('removed') && ends.length <= 2, `${id} ${ends.join(' ')}`);
      continue;
    }
    assert.ok(isFinished(job), `${id} is ${job.status}`);
    const exhausted = job.error?.code === 'ATTEMPTS_EXHAUSTED';
    assert.deepEqual(ends, exhausted ? [] : [job.status], id);
    assert.equal(job.result !== null, job.status === 'completed');
    assert.ok(job.attempts <= 3);
  }
  context.diagnostic(JSON.stringify(tally));
  assert.ok((tally.completed ?? 0) > 0);

  const order = ['pending', 'processing', 'completed', 'failed', 'cancelled'];
  for (const [id, stream] of events) {
    const seen = await stream;
    const ranks = seen.map(({ status }) => Math.min(2, order.indexOf(status)));
    assert.deepEqual(ranks, ranks.toSorted(), id);
    assert.equal(ranks.filter((rank) => rank === 2).length, 1, id);
  }
});
