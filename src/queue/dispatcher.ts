/**
 * Bee-Queue, which wakes workers. What it hands out are tickets: each is worth one look for a job
 * that waits, whichever it is. So no worker keeps a job that another has the time for, and a lost
 * ticket loses nothing: the sweeper sees jobs without tickets, and tickets without a job just end.
 */
import { isIP } from 'node:net';
import BeeQueue from 'bee-queue';
import type { Logger } from '../observability/logger.js';
import type { RedisAddress, RedisConnection } from '../redis/connection.js';
import type { Handout } from '../jobs/ports.js';
import { PREFIX } from './scripts/prelude.js';
import { within } from '../lib/timeout.js';

/** Milliseconds: for one call; before another try; after which a worker's tickets are taken back. */
const TIMEOUT = 3_000;
const RETRY = 1_000;
const STALL_INTERVAL = 10_000;

/** @param name of the queue: there are tickets for work, and for downloads. */
export function createHandout(
  connection: RedisConnection,
  logger: Logger,
  name: 'tickets' | 'downloads' = 'tickets',
): Handout {
  const address = beeAddress(connection.address);
  let closed = false;
  let producer: Opened | undefined;
  let consumer: Opened | undefined;
  let renewal: NodeJS.Timeout | undefined;

  function open(isWorker: boolean, onError: (error: Error) => void): Opened {
    let disposed = false;
    const queue = new BeeQueue(name, {
      prefix: `${PREFIX}bee`,
      redis: { ...address, retry_strategy: () => (disposed ? undefined : RETRY) },
      isWorker,
      getEvents: false,
      sendEvents: false,
      storeJobs: false,
      removeOnSuccess: true,
      removeOnFailure: true,
      stallInterval: STALL_INTERVAL,
    });
    queue.on('error', (error) => {
      if (disposed) return;
      logger.debug('tickets_failed', { error });
      onError(error);
    });
    const dispose = () => {
      disposed = true;
      // It would wait for a connection that may never come, and for handlers, which need it no more.
      queue.close(1).catch(() => undefined);
    };
    return { queue, dispose };
  }

  /** Calls Bee-Queue; after a failure with another queue, for which it loads its scripts anew. */
  async function ask<T>(work: (queue: BeeQueue) => Promise<T>): Promise<T> {
    producer ??= open(false, () => undefined);
    const mine = producer;
    try {
      const { queue } = mine;
      return await within(
        TIMEOUT,
        queue.ready().then(() => work(queue)),
      );
    } catch (error) {
      if (producer === mine) producer = undefined;
      mine.dispose();
      throw error;
    }
  }

  const issueOnce = (tickets: number): Promise<void> =>
    ask(async (queue) => {
      const jobs = Array.from({ length: tickets }, () => queue.createJob({}));
      const failed = await queue.saveAll(jobs);
      for (const error of failed.values()) throw error;
    });

  function consume(places: Places, onTicket: () => Promise<void>): void {
    // Bee-Queue waits twice as long after every failure, and knows nothing of lost scripts.
    const mine = open(true, () => renew());
    const renew = () => {
      if (closed) return;
      renewal ??= setTimeout(() => {
        renewal = undefined;
        stopWatching();
        mine.dispose();
        consume(places, onTicket);
      }, RETRY);
    };
    // It may wait on a connection whose other end is gone.
    const stopWatching = connection.onReconnected(renew);
    consumer = mine;
    mine.queue.process(places.total, () => places.use(onTicket));
    mine.queue.checkStalledJobs(STALL_INTERVAL / 2).catch((error: unknown) => {
      mine.queue.emit('error', error);
    });
  }

  return {
    async issue(tickets) {
      if (tickets <= 0) return;
      try {
        await issueOnce(tickets).catch((error: unknown) => {
          if (!String(error).includes('NOSCRIPT')) throw error;
          return issueOnce(tickets);
        });
      } catch (error) {
        logger.debug('tickets_failed', { error });
      }
      if (closed) closeProducer();
    },
    async waiting() {
      try {
        return (await ask((queue) => queue.checkHealth())).waiting;
      } catch (error) {
        logger.debug('tickets_failed', { error });
        return 0;
      }
    },
    take(places, onTicket) {
      consume(new Places(places), onTicket);
    },
    close() {
      closed = true;
      clearTimeout(renewal);
      consumer?.dispose();
      closeProducer();
      return Promise.resolve();
    },
  };

  function closeProducer(): void {
    producer?.dispose();
    producer = undefined;
  }
}

interface Opened {
  queue: BeeQueue;
  dispose: () => void;
}

/** Handlers outlive the queue that called them, so places are counted here. */
class Places {
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

/** Bee-Queue's own client library does not know ours, and would connect elsewhere. */
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
    // It would give up after an hour.
    connect_timeout: 2 ** 31 - 1,
    socket_initial_delay: STALL_INTERVAL,
    // When the connection is lost during its check, it emits two errors, and Bee-Queue listens for one.
    no_ready_check: true,
  };
}
