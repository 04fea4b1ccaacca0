/**
 * Bee-Queue, which wakes workers. What it hands out are tickets: each is worth one look for a job
 * that waits, whichever it is. So no worker keeps a job that another has the time for, and a lost
 * ticket loses nothing: the sweeper sees jobs without tickets, and tickets without a job just end.
 */
import BeeQueue from 'bee-queue';
import type { Logger } from '../observability/logger.js';
import type { RedisAddress, RedisConnection } from './redis.js';
import { PREFIX } from './scripts/prelude.js';

const NAME = 'tickets';
/** Milliseconds: for one call; before another try; after which a worker's tickets are taken back. */
const TIMEOUT = 3_000;
const RETRY = 1_000;
const STALL_INTERVAL = 10_000;

export interface Handout {
  /** Adds tickets. It never fails: see the sweeper. */
  issue(tickets: number): Promise<void>;
  /** Tickets that nobody has taken yet. Zero when that cannot be told. */
  waiting(): Promise<number>;
  /**
   * Takes a ticket whenever one of `places` is free, until the handout is closed. A place is free
   * again when `onTicket` has ended; it has to deal with its errors.
   */
  take(places: number, onTicket: () => Promise<void>): void;
  /** Takes no more tickets. Places in use are the caller's to wait for. */
  close(): Promise<void>;
}

export function createHandout(connection: RedisConnection, logger: Logger): Handout {
  const redis = beeRedis(connection.address);
  let closed = false;
  let producer: Promise<BeeQueue> | undefined;
  let consumer: BeeQueue | undefined;
  let renewal: NodeJS.Timeout | undefined;

  const open = (isWorker: boolean, onError: (error: Error) => void) => {
    const queue = new BeeQueue(NAME, {
      prefix: `${PREFIX}bee`,
      redis: { ...redis },
      isWorker,
      getEvents: false,
      sendEvents: false,
      storeJobs: false,
      removeOnSuccess: true,
      removeOnFailure: true,
      stallInterval: STALL_INTERVAL,
    });
    queue.on('error', onError);
    return queue;
  };

  const dispose = (queue: BeeQueue) => {
    // It waits for connections that may never come, and for handlers, which go on by themselves.
    queue.close(1).catch(() => undefined);
  };

  /** Works with the queue of this process, made anew after a failure: Redis loses its scripts. */
  async function withProducer<T>(work: (queue: BeeQueue) => Promise<T>): Promise<T> {
    producer ??= (async () => {
      const queue = open(false, (error) => logger.debug('tickets_failed', { error }));
      try {
        return await within(TIMEOUT, queue.ready());
      } catch (error) {
        dispose(queue);
        throw error;
      }
    })();
    const mine = producer;
    try {
      const queue = await mine;
      return await within(TIMEOUT, work(queue));
    } catch (error) {
      if (producer === mine) producer = undefined;
      mine.then(dispose, () => undefined);
      throw error;
    }
  }

  function consume(places: Places, onTicket: () => Promise<void>): void {
    let failed = false;
    const queue = open(true, (error) => {
      if (failed || closed || consumer !== queue) return;
      failed = true;
      logger.debug('tickets_failed', { error });
      // Bee-Queue waits twice as long after every failure, and knows nothing of lost scripts.
      renewal = setTimeout(() => {
        dispose(queue);
        consume(places, onTicket);
      }, RETRY);
    });
    consumer = queue;
    queue.process(places.total, () => places.use(onTicket));
    void queue.checkStalledJobs(STALL_INTERVAL / 2).catch((error: unknown) => {
      queue.emit('error', error);
    });
  }

  return {
    async issue(tickets) {
      if (tickets <= 0 || closed) return;
      try {
        const errors = await withProducer((queue) =>
          queue.saveAll(Array.from({ length: tickets }, () => queue.createJob({}))),
        );
        for (const error of errors.values()) throw error;
      } catch (error) {
        producer = undefined;
        logger.debug('tickets_failed', { error });
      }
    },
    async waiting() {
      try {
        return (await withProducer((queue) => queue.checkHealth())).waiting;
      } catch (error) {
        logger.debug('tickets_failed', { error });
        return 0;
      }
    },
    take(places, onTicket) {
      consume(new Places(places), onTicket);
    },
    async close() {
      closed = true;
      clearTimeout(renewal);
      if (consumer) dispose(consumer);
      const queue = await producer?.catch(() => undefined);
      if (queue) await within(TIMEOUT, queue.close(1)).catch(() => undefined);
    },
  };
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
function beeRedis({ socket, username, password, database }: RedisAddress) {
  return {
    ...('path' in socket
      ? { path: socket.path }
      : { host: socket.host, port: socket.port, ...(socket.tls && { tls: {} }) }),
    ...(username !== undefined && { user: username }),
    ...(password !== undefined && { password }),
    db: database,
    retry_strategy: () => RETRY,
    socket_initial_delay: STALL_INTERVAL,
  };
}

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer from Redis')), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
