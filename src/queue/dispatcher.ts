/**
 * The only file that knows Bee-Queue. Bee-Queue wakes idle workers, nothing more: a wake-up says that
 * some job waits, and the claim script (lua/claim.lua) decides which job the worker gets. So a job
 * never depends on one message. A lost wake-up delays a job until the next sweep, and a wake-up too
 * many finds nothing to claim.
 */
import { isIP } from 'node:net';
import BeeQueue from 'bee-queue';
import type { Logger } from '../observability/logger.js';
import type { RedisAddress, RedisConnection } from '../redis/connection.js';
import type { Dispatcher } from '../jobs/ports.js';
import { PREFIX } from './keys.js';
import { within } from '../lib/timeout.js';

const CALL_TIMEOUT_MS = 3_000;
const RETRY_DELAY_MS = 1_000;
/** After which the wake-ups of a worker that ended go to another. */
const STALL_INTERVAL_MS = 10_000;

/** @param name of the queue: idle workers and idle downloaders are woken separately. */
export function createDispatcher(
  connection: RedisConnection,
  logger: Logger,
  name: 'jobs' | 'downloads' = 'jobs',
): Dispatcher {
  const address = beeAddress(connection.address);
  let closed = false;
  let producer: OpenQueue | undefined;
  let consumer: OpenQueue | undefined;
  let reopenTimer: NodeJS.Timeout | undefined;

  function open(isWorker: boolean, onError: (error: Error) => void): OpenQueue {
    let disposed = false;
    const queue = new BeeQueue(name, {
      prefix: `${PREFIX}bee`,
      redis: { ...address, retry_strategy: () => (disposed ? undefined : RETRY_DELAY_MS) },
      isWorker,
      getEvents: false,
      sendEvents: false,
      storeJobs: false,
      removeOnSuccess: true,
      removeOnFailure: true,
      stallInterval: STALL_INTERVAL_MS,
    });
    queue.on('error', (error) => {
      if (disposed) return;
      logger.debug('dispatcher_failed', { error });
      onError(error);
    });
    const dispose = () => {
      disposed = true;
      // Without a limit it waits for a connection that may never come, and for running handlers.
      queue.close(1).catch(() => undefined);
    };
    return { queue, dispose };
  }

  /** Calls Bee-Queue. After a failure the next call opens a new queue, which loads its scripts again. */
  async function ask<T>(work: (queue: BeeQueue) => Promise<T>): Promise<T> {
    producer ??= open(false, () => undefined);
    const asked = producer;
    try {
      const { queue } = asked;
      return await within(
        CALL_TIMEOUT_MS,
        queue.ready().then(() => work(queue)),
      );
    } catch (error) {
      if (producer === asked) producer = undefined;
      asked.dispose();
      throw error;
    }
  }

  const send = (count: number): Promise<void> =>
    ask(async (queue) => {
      const wakeUps = Array.from({ length: count }, () => queue.createJob({}));
      const failed = await queue.saveAll(wakeUps);
      for (const error of failed.values()) throw error;
    });

  function consume(slots: Slots, onWakeUp: () => Promise<void>): void {
    // Bee-Queue doubles its delay after every failure, and never loads lost scripts again.
    const opened = open(true, () => reopen());
    const reopen = () => {
      if (closed) return;
      reopenTimer ??= setTimeout(() => {
        reopenTimer = undefined;
        stopWatching();
        opened.dispose();
        consume(slots, onWakeUp);
      }, RETRY_DELAY_MS);
    };
    // Bee-Queue may still wait on a connection whose other end is gone.
    const stopWatching = connection.onReconnected(reopen);
    consumer = opened;
    opened.queue.process(slots.total, () => slots.use(onWakeUp));
    opened.queue.checkStalledJobs(STALL_INTERVAL_MS / 2).catch((error: unknown) => {
      opened.queue.emit('error', error);
    });
  }

  function closeProducer(): void {
    producer?.dispose();
    producer = undefined;
  }

  return {
    async wake(count) {
      if (count <= 0) return;
      try {
        await send(count).catch((error: unknown) => {
          if (!String(error).includes('NOSCRIPT')) throw error;
          return send(count);
        });
      } catch (error) {
        logger.debug('dispatcher_failed', { error });
      }
      if (closed) closeProducer();
    },
    async waiting() {
      // It would open a connection that nobody closes, and the process would not end.
      if (closed) return 0;
      try {
        return (await ask((queue) => queue.checkHealth())).waiting;
      } catch (error) {
        logger.debug('dispatcher_failed', { error });
        return 0;
      }
    },
    listen(slots, onWakeUp) {
      consume(new Slots(slots), onWakeUp);
    },
    close() {
      closed = true;
      clearTimeout(reopenTimer);
      consumer?.dispose();
      closeProducer();
      return Promise.resolve();
    },
  };
}

interface OpenQueue {
  queue: BeeQueue;
  dispose: () => void;
}

/** Counts slots across queues: handlers of a queue that was disposed of still occupy theirs. */
class Slots {
  readonly total: number;
  #used = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(total: number) {
    this.total = total;
  }

  async use(work: () => Promise<void>): Promise<void> {
    if (this.#used >= this.total) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#used++;
    }
    try {
      await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#used--;
    }
  }
}

/** The same Redis for Bee-Queue's own client library, which takes no client of ours. */
function beeAddress({ socket, username, password, database }: RedisAddress) {
  return {
    ...('path' in socket
      ? { path: socket.path }
      : {
          host: socket.host,
          port: socket.port,
          ...(socket.tls && { tls: isIP(socket.host) ? {} : { servername: socket.host } }),
        }),
    ...(username !== undefined && { user: username }),
    ...(password !== undefined && { password }),
    db: database,
    // The default gives up after an hour.
    connect_timeout: 2 ** 31 - 1,
    socket_initial_delay: STALL_INTERVAL_MS,
  };
}
