/**
 * Channels of Redis over one connection, which opens with the first subscription.
 */
import type { createClient } from 'redis';
import type { Logger } from '../observability/logger.js';
import { redisError } from './redis-errors.js';
import { within } from '../lib/timeout.js';

type Client = Pick<
  ReturnType<typeof createClient>,
  'connect' | 'destroy' | 'on' | 'subscribe' | 'unsubscribe'
>;
type Listener = (message: string) => void;

const SUBSCRIBE_TIMEOUT_MS = 3_000;

export class Subscriptions {
  readonly #client: Client;
  readonly #logger: Logger;
  readonly #resubscribed = new Set<() => void>();
  #connecting: Promise<unknown> | undefined;
  #closed = false;

  constructor(client: Client, logger: Logger) {
    this.#client = client;
    this.#logger = logger;
    let before = false;
    client.on('ready', () => {
      if (before) for (const listener of this.#resubscribed) listener();
      before = true;
    });
    // The main connection reports the same loss.
    client.on('error', (error: Error) => logger.debug('redis_subscriber_lost', { error }));
  }

  /** @throws OxboardError REDIS_UNAVAILABLE */
  async add(channel: string, listener: Listener): Promise<() => void> {
    if (!this.#connecting) {
      this.#connecting = this.#client.connect();
      this.#connecting.catch(() => undefined); // it only ends by close()
    }
    const subscribed = this.#client.subscribe(channel, listener);
    try {
      await within(SUBSCRIBE_TIMEOUT_MS, subscribed);
    } catch (error) {
      // It may still succeed later.
      subscribed.then(
        () => this.#remove(channel, listener),
        () => undefined,
      );
      throw redisError(error);
    }
    return () => this.#remove(channel, listener);
  }

  onResubscribed(listener: () => void): () => void {
    this.#resubscribed.add(listener);
    return () => this.#resubscribed.delete(listener);
  }

  /** Connects again: the other end may have vanished without closing the connection. */
  reconnect(): void {
    if (!this.#connecting || this.#closed) return;
    this.#client.destroy();
    this.#connecting = this.#client.connect();
    this.#connecting.catch(() => undefined);
  }

  close(): void {
    this.#closed = true;
    if (this.#connecting) this.#client.destroy();
  }

  #remove(channel: string, listener: Listener): void {
    if (this.#closed) return;
    this.#client.unsubscribe(channel, listener).catch((error: unknown) => {
      if (!this.#closed) this.#logger.debug('redis_unsubscribe_failed', { error });
    });
  }
}
