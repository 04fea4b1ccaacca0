/**
 * Events of jobs, from Redis to any number of listeners in this process. Each job with listeners has
 * one feed: a channel for new events, and the job's stream for earlier ones.
 */
import type { Logger } from '../observability/logger.js';
import { isFinished, jobEventSchema, type JobEvent } from '../jobs/job.js';
import type { QueueConnection } from './connection.js';
import { PREFIX } from './keys.js';
import type { StoredEvent } from './scripts.js';

/** The message on the channel when the record is removed. */
const REMOVED = 'removed';
const EVENT_ID = /^\d{1,15}-\d{1,15}$/;
/** Before another try to read events that may have been missed. */
const RETRY_DELAY_MS = 1_000;

interface Listening {
  after?: string | undefined;
  signal: AbortSignal;
}

interface Happened {
  /** As the record says it. */
  now: JobEvent;
  /** After the event that was asked for. */
  events: JobEvent[];
}

export class EventFeeds {
  readonly #connection: QueueConnection;
  readonly #logger: Logger;
  readonly #feeds = new Map<string, Feed>();

  constructor(connection: QueueConnection, logger: Logger) {
    this.#connection = connection;
    this.#logger = logger;
    connection.onResubscribed(() => {
      for (const feed of this.#feeds.values()) void this.#catchUp(feed);
    });
  }

  /** See Jobs.events. */
  async listen(
    id: string,
    tenant: string,
    { after, signal }: Listening,
  ): Promise<AsyncIterable<JobEvent> | undefined> {
    // Listen first and read the state second: so no event between the two is missed.
    const listener = new Listener();
    const leave = await this.#join(id, tenant, listener);
    // Also for a caller that never begins to iterate: a generator that did not begin runs no `finally`.
    signal.addEventListener('abort', leave, { once: true });
    try {
      if (signal.aborted) leave();
      const happened = await this.#read(id, tenant, after);
      if (!happened) {
        leave();
        return undefined;
      }
      const known =
        after !== undefined && EVENT_ID.test(after) && compareIds(after, happened.now.id) <= 0;
      const events = known ? happened.events : [happened.now];
      const over = isFinished(happened.now);
      return iterate({ first: events, from: known ? after : '', over, listener, signal, leave });
    } catch (error) {
      leave();
      throw error;
    }
  }

  async #join(id: string, tenant: string, listener: Listener): Promise<() => void> {
    let feed = this.#feeds.get(id);
    if (!feed) {
      const made = new Feed(id, tenant);
      feed = made;
      this.#feeds.set(id, made);
      made.unsubscribe = this.#connection.subscribe(`${PREFIX}events:${id}`, (message) => {
        made.receive(message);
      });
    }
    const joined = feed;
    joined.listeners.add(listener);
    const leave = () => {
      if (!joined.listeners.delete(listener) || joined.listeners.size > 0) return;
      if (this.#feeds.get(id) === joined) this.#feeds.delete(id);
      joined.unsubscribe?.then(
        (unsubscribe) => unsubscribe(),
        () => undefined,
      );
    };
    try {
      await joined.unsubscribe;
    } catch (error) {
      leave();
      throw error;
    }
    return leave;
  }

  async #read(
    id: string,
    tenant: string,
    after: string | undefined,
  ): Promise<Happened | undefined> {
    const seen = after !== undefined && EVENT_ID.test(after) ? after : undefined;
    const { now, events = [] } = await this.#connection.scripts.events({ id, tenant, after: seen });
    return now && { now: eventOf(now), events: events.map(eventOf) };
  }

  /** Messages may have been lost: sends what the stream has; listeners skip what they know. */
  async #catchUp(feed: Feed): Promise<void> {
    while (this.#feeds.get(feed.id) === feed) {
      try {
        const happened = await this.#read(feed.id, feed.tenant, feed.lastId);
        if (!happened) feed.end();
        else if (feed.lastId === undefined) feed.tell(happened.now);
        else for (const event of happened.events) feed.tell(event);
        return;
      } catch (error) {
        this.#logger.debug('events_not_read', { error });
        await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY_MS).unref());
      }
    }
  }
}

/** The events of one job in this process. */
class Feed {
  readonly listeners = new Set<Listener>();
  unsubscribe: Promise<() => void> | undefined;
  lastId: string | undefined;

  constructor(
    readonly id: string,
    readonly tenant: string,
  ) {}

  receive(message: string): void {
    if (message === REMOVED) {
      this.end();
      return;
    }
    const space = message.indexOf(' ');
    this.tell(eventOf({ id: message.slice(0, space), event: message.slice(space + 1) }));
  }

  tell(event: JobEvent): void {
    if (this.lastId !== undefined && compareIds(event.id, this.lastId) <= 0) return;
    this.lastId = event.id;
    for (const listener of this.listeners) listener.push(event);
  }

  end(): void {
    for (const listener of this.listeners) listener.end();
  }
}

/** Events that one listener has not taken yet; of progress only the newest, so that they stay few. */
class Listener {
  readonly #events: JobEvent[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  push(event: JobEvent): void {
    const last = this.#events.at(-1);
    if (last?.status === event.status && last.stage === event.stage) this.#events.pop();
    this.#events.push(event);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** The next event; undefined when there will be none. */
  async next(signal: AbortSignal): Promise<JobEvent | undefined> {
    for (;;) {
      const event = this.#events.shift();
      if (event) return event;
      if (this.#ended || signal.aborted) return undefined;
      await new Promise<void>((resolve) => {
        const wake = () => {
          signal.removeEventListener('abort', wake);
          this.#wake = undefined;
          resolve();
        };
        this.#wake = wake;
        signal.addEventListener('abort', wake);
      });
    }
  }
}

async function* iterate({
  first,
  from,
  over,
  listener,
  signal,
  leave,
}: {
  first: readonly JobEvent[];
  from: string;
  /** Whether there is nothing more to come than `first`. */
  over: boolean;
  listener: Listener;
  signal: AbortSignal;
  leave: () => void;
}): AsyncGenerator<JobEvent, void, undefined> {
  let seen = from;
  try {
    for (const event of first) {
      if (signal.aborted) return;
      yield event;
      seen = event.id;
    }
    if (over) return;
    for (;;) {
      const event = await listener.next(signal);
      if (!event) return;
      if (seen !== '' && compareIds(event.id, seen) <= 0) continue;
      yield event;
      if (isFinished(event)) return;
      seen = event.id;
    }
  } finally {
    leave();
  }
}

const eventOf = ({ id, event }: StoredEvent): JobEvent =>
  jobEventSchema.parse({ id, ...(JSON.parse(event) as object) });

function compareIds(a: string, b: string): number {
  const [aTime = 0, aCount = 0] = a.split('-').map(Number);
  const [bTime = 0, bCount = 0] = b.split('-').map(Number);
  return aTime - bTime || aCount - bCount;
}
