/** The faults, each from its beginning to its end. */
import { existsSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TIMING } from '../../src/jobs/timing.js';
import type { Loss } from './history.js';
import { signal, type Service } from './service.js';

export interface FaultContext {
  service: Service;
  /** Numbers from 0 to 1. */
  random: () => number;
  /** Told of each time that Redis has lost. */
  onLoss: (loss: Loss) => void;
}

export interface Fault {
  /** For --faults and the table. */
  name: string;
  text: string;
  /** Needs the library that breaks the storage. */
  breaksStorage?: boolean;
  /** @returns whether there was something to break. */
  run(context: FaultContext): Promise<boolean>;
}

const POLL_MS = 50;
/** Time that Redis loses. */
const LOST_MS = 1_000;
/** For Redis to answer again; serve starts it within 20 seconds, or gives up and is started again. */
const RETURN_TIMEOUT_MS = 60_000;

const kill =
  (kind: 'serve' | 'api' | 'redis') =>
  ({ service }: FaultContext): Promise<boolean> => {
    const [pid] = service.pids(kind);
    if (pid !== undefined) signal(pid, 'SIGKILL');
    return Promise.resolve(pid !== undefined);
  };

/** A worker that has a job, if one has. */
function chooseWorker({ service, random }: FaultContext): number | undefined {
  const busy = service.busyWorkers();
  const workers = busy.length > 0 ? busy : service.pids('worker');
  return workers[Math.floor(random() * workers.length)];
}

/** @param fault the ending of the file that switches the fault on; see broken-folder.c. */
const breakStorage =
  (fault: 'fails' | 'stalls' | 'full', longestMs: number) =>
  async ({ service, random }: FaultContext): Promise<boolean> => {
    const file = `${service.storage}.${fault}`;
    writeFileSync(file, '');
    await sleep(1_000 + random() * (longestMs - 1_000));
    rmSync(file);
    return true;
  };

/** The files to which Redis appends, and their sizes. */
function appendOnlyFiles(folder: string): Map<string, number> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.aof'))
    .map((name) => path.join(folder, name));
  return new Map(files.map((file) => [file, statSync(file).size]));
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'kill-worker',
    text: 'kill -9 of a worker',
    run(context) {
      const pid = chooseWorker(context);
      if (pid !== undefined) signal(pid, 'SIGKILL');
      return Promise.resolve(pid !== undefined);
    },
  },
  { name: 'kill-api', text: 'kill -9 of the API', run: kill('api') },
  { name: 'kill-redis', text: 'kill -9 of Redis', run: kill('redis') },
  { name: 'kill-serve', text: 'kill -9 of serve', run: kill('serve') },
  {
    name: 'stop-worker',
    text: 'SIGSTOP of a worker until after its lease',
    async run(context) {
      const pid = chooseWorker(context);
      if (pid === undefined) return false;
      signal(pid, 'SIGSTOP');
      await sleep(TIMING.leaseMs + 2_000 + context.random() * 4_000);
      signal(pid, 'SIGCONT');
      return true;
    },
  },
  {
    name: 'storage-fails',
    text: 'each call to the storage fails (EIO)',
    breaksStorage: true,
    run: breakStorage('fails', 6_000),
  },
  {
    name: 'storage-stalls',
    text: 'no call to the storage returns',
    breaksStorage: true,
    run: breakStorage('stalls', 12_000),
  },
  {
    name: 'storage-full',
    text: 'the storage is full (ENOSPC)',
    breaksStorage: true,
    run: breakStorage('full', 6_000),
  },
  {
    name: 'redis-forgets',
    text: 'Redis loses its last second',
    async run({ service, onLoss }) {
      const [serve] = service.pids('serve');
      const [redis] = service.pids('redis');
      if (serve === undefined || redis === undefined) return false;
      const before = appendOnlyFiles(service.redisFolder);
      const from = Date.now();
      await sleep(LOST_MS);
      // Meanwhile serve must not start Redis again.
      signal(serve, 'SIGSTOP');
      signal(redis, 'SIGKILL');
      while (existsSync(`/proc/${String(redis)}/exe`)) await sleep(POLL_MS);
      for (const [file, size] of before) {
        if (existsSync(file) && statSync(file).size > size) truncateSync(file, size);
      }
      signal(serve, 'SIGCONT');
      const deadline = performance.now() + RETURN_TIMEOUT_MS;
      while (service.pids('redis').length === 0 && performance.now() < deadline) {
        await sleep(POLL_MS);
      }
      onLoss({ from, to: Date.now() });
      return true;
    },
  },
];

/** An endless row of faults: all of them in a random order, then all of them in another. */
export function* deal(faults: readonly Fault[], random: () => number): Generator<Fault, never> {
  for (;;) {
    const left = [...faults];
    while (left.length > 0) {
      yield left.splice(Math.floor(random() * left.length), 1)[0] as Fault;
    }
  }
}
