/** What is promised while Redis is away, frozen or full, and afterwards. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { after, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { JobEvent } from '../../src/jobs/job.js';
import { PREFIX, SCHEMA_KEY } from '../../src/queue/keys.js';
import {
  admission,
  claimed,
  quiet,
  result,
  startQueue,
  statusOf,
  TENANT,
  worker,
  type Member,
} from './harness.js';
import { connectQueue } from '../../src/queue/connection.js';
import { createDispatcher } from '../../src/queue/dispatcher.js';
import type { RedisConnection } from '../../src/redis/connection.js';
import { until } from '../support/until.js';

const away = { code: 'REDIS_UNAVAILABLE' };

/** Milliseconds until a command is refused. */
async function refused(member: Member): Promise<number> {
  const began = performance.now();
  await assert.rejects(member.jobs.counts(), away);
  return performance.now() - began;
}

/** Claims a job at each wake-up and completes it; what Redis refuses is left to the sweeper. */
function work(member: Member, slots = 2): string[] {
  const done: string[] = [];
  member.sweeper.start();
  member.dispatcher.listen(slots, async () => {
    try {
      const claim = await member.claim();
      if (claim && (await member.claims.complete(claim, claim.cached ?? result()))) {
        done.push(claim.job.id);
      }
    } catch (error) {
      assert.match(
        String((error as { code?: unknown }).code),
        /^REDIS_(UNAVAILABLE|REFUSES_WRITES)$/,
      );
    }
  });
  after(() => member.sweeper.stop());
  return done;
}

/** Admits until Redis takes it. */
const admitAnyway = () =>
  until(() => member0.jobs.admit(admission()).catch(() => undefined), 'an admission');
let member0: Member;

describe('a Redis that is killed and started again', async () => {
  const queue = await startQueue({ after });
  const [api, one] = await Promise.all([queue.join(), queue.join({ leaseMs: 60_000 })]);
  const other = await queue.join();

  it('is missed at once, loses nothing, and all goes on by itself', async () => {
    member0 = api;
    await api.workers.announce(worker('worker'));
    const { job: running } = await api.jobs.admit(admission());
    const claim = await claimed(one);
    const ids: string[] = [];
    for (let count = 0; count < 20; count++) {
      ids.push((await api.jobs.admit(admission())).job.id);
    }
    const events: JobEvent[] = [];
    const { signal } = new AbortController();
    const stream = await api.jobs.events(running.id, TENANT, { signal });
    const ended = (async () => {
      for await (const event of stream!) events.push(event);
    })();
    let revoked: string | undefined;
    one.claims.onRevoked(claim, (why) => (revoked = why));

    await queue.redis.kill();
    await refused(api);
    await refused(api);
    await assert.rejects(api.jobs.admit(admission()), away);
    await assert.rejects(one.claims.renew(claim), away);
    await assert.rejects(one.sweeper.sweep(), away);
    await queue.redis.start();

    await until(() => api.jobs.counts().catch(() => undefined));
    assert.deepEqual(await api.jobs.counts(), { pending: 20, processing: 1 });
    await until(() =>
      one.claims.progress(claim, { stage: 'encoding', progress: 90 }).catch(() => undefined),
    );
    await until(
      () => events.some(({ stage }) => stage === 'encoding'),
      'an event after the outage',
    );
    const { job: late } = await admitAnyway();
    const done = work(other);
    await until(() => done.length === 21, 'all jobs after the outage');
    assert.deepEqual(done.toSorted(), [...ids, late.id].sort());

    assert.equal(await api.jobs.cancelOrRemove(running.id, TENANT), 'cancelled');
    await until(() => revoked === 'cancelled', 'a revocation');
    await ended;
    assert.equal(events.at(-1)?.status, 'cancelled');
  });

  it('sends wake-ups again when it comes back while a worker waits for them', async () => {
    // `other` is waiting for a wake-up all the time; the scripts of Bee-Queue are gone too.
    await queue.redis.stop();
    await queue.redis.start();
    const { job } = await admitAnyway();
    await until(async () => (await statusOf(api, job).catch(() => '')) === 'completed', 'the job');
  });
});

describe('a Redis that is frozen', async () => {
  const queue = await startQueue({ after });
  const [api, one] = await Promise.all([queue.join(), queue.join()]);

  it('is given up on within seconds, and what it does later does no harm', async () => {
    await api.workers.announce(worker('worker'));
    const asked = admission();
    queue.redis.freeze();
    await Promise.all([
      assert.rejects(api.jobs.admit(asked), away),
      assert.rejects(
        api.jobs.events(asked.id, TENANT, { signal: new AbortController().signal }),
        away,
      ),
    ]);
    queue.redis.thaw();
    // It may have been on the way already; then it is done like any other.
    const status = await until(() => statusOf(api, asked).catch(() => undefined));
    const claim = await one.claim();
    assert.equal(claim?.job.id, status === 'gone' ? undefined : asked.id);
    assert.equal(await api.jobs.get('unknown', TENANT), undefined);
  });

  it('is connected to anew when it stays silent, as one whose host has vanished', async () => {
    const { job } = await api.jobs.admit(admission());
    const { signal } = new AbortController();
    const stream = await api.jobs.events(job.id, TENANT, { signal });
    const next = stream![Symbol.asyncIterator]();
    await next.next();
    const id = () => api.connection.send(['CLIENT', 'ID']);
    const before = await id();
    queue.redis.freeze();
    await until(async () => (await refused(api)) < 1_000, 'an end of the patience');
    queue.redis.thaw();
    const now = await until(() => id().catch(() => undefined));
    assert.notEqual(now, before);
    await until(() => api.jobs.cancelOrRemove(job.id, TENANT).catch(() => undefined));
    assert.equal(((await next.next()).value as JobEvent).status, 'cancelled');
  });
});

describe('a Redis without memory', async () => {
  const queue = await startQueue({ after });
  const [api, one] = await Promise.all([queue.join(), queue.join()]);
  const maxmemory = (bytes: string) => api.connection.send(['CONFIG', 'SET', 'maxmemory', bytes]);

  it('takes no more jobs, lets those that run end, and goes on when it has memory', async () => {
    await api.workers.announce(worker('worker'));
    const { job: running } = await api.jobs.admit(admission());
    const claim = await claimed(one);
    const { job: cancelled } = await api.jobs.admit(admission());
    const { job: waiting } = await api.jobs.admit(admission());
    await maxmemory('1');

    const refused = { code: 'REDIS_REFUSES_WRITES' };
    await assert.rejects(api.jobs.checkWrites(), refused);
    await assert.rejects(api.jobs.admit(admission()), {
      ...refused,
      message: /no memory left.*maxmemory/,
    });
    assert.equal(await one.claims.renew(claim), undefined);
    assert.equal(await one.claims.progress(claim, { stage: 'storing', progress: 98 }), true);
    assert.equal(await one.claims.complete(claim, result()), true);
    assert.equal(await statusOf(api, running), 'completed');
    assert.equal(await api.jobs.cancelOrRemove(cancelled.id, TENANT), 'cancelled');
    assert.equal(await api.jobs.cancelOrRemove(running.id, TENANT), 'removed');
    await api.workers.announce(worker('worker'));
    assert.equal((await api.jobs.list(TENANT, { limit: 10 })).jobs.length, 2);
    await assert.rejects(one.claim(), refused);
    const done = work(one);

    await maxmemory('0');
    await until(() => done.length === 1, 'the job that waited');
    assert.deepEqual(done, [waiting.id]);
  });
});

describe('wake-ups', async () => {
  const queue = await startQueue({ after });
  const [api, one] = await Promise.all([queue.join(), queue.join()]);

  it('that are lost are issued again', async () => {
    await api.workers.announce(worker('worker', { concurrency: 2 }));
    const { dispatcher } = api;
    const ids: string[] = [];
    for (let count = 0; count < 5; count++) {
      ids.push((await api.jobs.admit(admission())).job.id);
    }
    await until(async () => (await dispatcher.waiting()) === 5);
    await api.connection.send(['DEL', `${PREFIX}bee:jobs:waiting`, `${PREFIX}bee:jobs:jobs`]);
    const done = work(one);
    await until(() => done.length === 5, 'jobs without wake-ups');
    assert.deepEqual(done.toSorted(), ids.toSorted());
  });
});

describe('wake-ups', async () => {
  const queue = await startQueue({ after });
  const [api, two] = await Promise.all([queue.join(), queue.join()]);

  it('are received only by a worker with a free slot', async () => {
    let taken = 0;
    const waiting: (() => void)[] = [];
    two.dispatcher.listen(2, () => {
      taken++;
      return new Promise((resolve) => waiting.push(resolve));
    });
    await api.dispatcher.wake(5);
    await until(() => taken === 2);
    assert.equal(await api.dispatcher.waiting(), 3);
    waiting.shift()!();
    await until(() => taken === 3);
    await two.dispatcher.close();
    for (const end of waiting) end();
    assert.equal(await api.dispatcher.waiting(), 2);
    await two.dispatcher.wake(1);
    assert.equal(await api.dispatcher.waiting(), 3, 'who takes none can still issue');
  });
});

describe('a dispatcher that is closed while it connects', () => {
  it('does not end the process when Redis goes away', async () => {
    // Takes connections and says nothing, as a Redis that is frozen.
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket.resume()));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const connection: Partial<RedisConnection> = {
      address: {
        socket: { host: '127.0.0.1', port, tls: false },
        ...{ username: undefined, password: undefined, database: 0 },
      },
      onReconnected: () => () => undefined,
    };
    const dispatcher = createDispatcher(connection as RedisConnection, quiet);
    dispatcher.listen(1, () => Promise.resolve());
    await until(() => sockets.length === 2);
    await dispatcher.close();
    const gone = sockets.map((socket) => once(socket, 'close'));
    for (const socket of sockets) socket.destroy();
    await Promise.all(gone);
    // Bee-Queue's clients are told after the sockets, in this event loop.
    for (let turn = 0; turn < 10; turn++) await setImmediate();
    server.close();
  });
});

describe('the connection', () => {
  it('takes passwords, databases and ports from the URL, for Bee-Queue too', async () => {
    const queue = await startQueue({ after }, { tcp: true, args: ['--requirepass', 'p@ss/word'] });
    const url = new URL(queue.redis.url);
    await assert.rejects(connectQueue({ redisUrl: url.href, redisDb: 0 }, quiet), away);
    const right = url.href.replace('redis://', `redis://:${encodeURIComponent('p@ss/word')}@`);
    const first = await queue.join({ redisUrl: right });
    const connections = async () =>
      Number(
        /total_connections_received:(\d+)/.exec(
          String(await first.connection.send(['INFO', 'stats'])),
        )?.[1],
      );
    const before = await connections();
    url.password = 'wrong';
    await assert.rejects(
      connectQueue({ redisUrl: url.href, redisDb: 0 }, quiet),
      (error: Error) => error.message.includes('127.0.0.1') && !error.message.includes('wrong'),
    );
    assert.equal(await connections(), before + 1, 'it does not try again');

    url.password = encodeURIComponent('p@ss/word');
    url.pathname = '/3';
    const member = await queue.join({ redisUrl: url.href });
    const elsewhere = await queue.join({ redisUrl: url.href, redisDb: 4 });
    await member.workers.announce(worker('worker'));
    const done = work(member);
    const { job } = await member.jobs.admit(admission());
    await until(() => done.length === 1);
    assert.equal(await statusOf(elsewhere, job), 'gone');
    assert.deepEqual(await elsewhere.connection.send(['KEYS', '*']), [SCHEMA_KEY]);
    const keys = (await member.connection.send(['KEYS', '*'])) as string[];
    assert.ok(keys.some((key) => key.startsWith(`${PREFIX}bee:`)));
    assert.ok(keys.every((key) => key === SCHEMA_KEY || key.startsWith(PREFIX)));
  });
});
