/**
 * The connection to Redis: every command ends within seconds, and whatever makes Redis unavailable is
 * one error, REDIS_UNAVAILABLE.
 */
import { createClient } from 'redis';
import type { Logger } from '../observability/logger.js';
import { isRefusedLogin, redisError, unavailable } from './redis-errors.js';
import { jsonScript } from './scripts.js';
import { Subscriptions } from './subscriptions.js';
import { redactUrl } from '../lib/redact-url.js';
import { noAnswer, TimeoutError, within } from '../lib/timeout.js';

const COMMAND_TIMEOUT_MS = 3_000;
/** Without a connection for so long, commands no longer wait for it. */
const OFFLINE_TIMEOUT_MS = 1_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** Without any answer for so long, the other end counts as gone. */
const SILENCE_TIMEOUT_MS = 6_000;
const MAX_RETRY_DELAY_MS = 1_000;

type Client = ReturnType<typeof createRedisClient>;

/** What another client library needs for the same Redis; see Bee-Queue. */
export interface RedisAddress {
  socket: { path: string } | { host: string; port: number; tls: boolean };
  username: string | undefined;
  password: string | undefined;
  database: number;
}

/** All methods throw OxboardError REDIS_UNAVAILABLE. */
export interface RedisConnection<Scripts = object> {
  readonly address: RedisAddress;
  /** Sends any command. Errors of the command itself are those of the client library. */
  send(args: readonly string[]): Promise<unknown>;
  /** Each runs a script; its text is sent again when Redis has lost it. */
  readonly scripts: Scripts;
  /** Listens to a channel; all share one connection. @returns ends it. */
  subscribe(channel: string, listener: (message: string) => void): Promise<() => void>;
  /** Called when Redis is back; it may have lost its scripts meanwhile. @returns ends it. */
  onReconnected(listener: () => void): () => void;
  /** Called when subscriptions are back; messages may have been lost meanwhile. @returns ends it. */
  onResubscribed(listener: () => void): () => void;
  close(): Promise<void>;
}

/**
 * @param redisUrl `redis://`, `rediss://` or `unix://`, with user name and password if need be.
 * @param redisDb number of the database; 0 leaves it to the URL.
 * @param sources Lua by name; see {@link jsonScript}.
 * @throws OxboardError REDIS_UNAVAILABLE when it does not answer within ten seconds.
 */
export async function connectRedis<Scripts extends object>(
  { redisUrl, redisDb }: { redisUrl: string; redisDb: number },
  logger: Logger,
  sources: Record<keyof Scripts & string, string> = {} as Record<keyof Scripts, string>,
): Promise<RedisConnection<Scripts>> {
  let connected = false;
  let lastError: Error | undefined;
  const client = createRedisClient(redisUrl, redisDb, sources, (retries, cause) => {
    // A wrong password stops the start; later on an operator may have changed it, and will fix it.
    if (!connected && isRefusedLogin(cause)) return cause;
    return Math.min(50 * 2 ** Math.min(retries, 10), MAX_RETRY_DELAY_MS);
  });

  let downSince: number | undefined = performance.now();
  let answeredAt = performance.now();
  const onReconnected = new Set<() => void>();
  client.on('ready', () => {
    downSince = undefined;
    answeredAt = performance.now();
    if (!connected) return;
    logger.info('redis_connected');
    for (const listener of onReconnected) listener();
  });
  client.on('error', (error: Error) => {
    lastError = error;
    if (downSince !== undefined) return;
    downSince = performance.now();
    logger.warn('redis_connection_lost', { error });
  });

  try {
    await within(CONNECT_TIMEOUT_MS, client.connect());
    connected = true;
  } catch (error) {
    client.destroy();
    const cause = error instanceof TimeoutError ? (lastError ?? error) : error;
    throw unavailable(`Redis does not answer at ${redactUrl(redisUrl)}`, cause);
  }

  const subscriptions = new Subscriptions(client.duplicate(), logger);

  async function answered<T>(ask: () => Promise<T>): Promise<T> {
    if (downSince !== undefined && performance.now() - downSince > OFFLINE_TIMEOUT_MS) {
      throw unavailable('Redis does not answer', lastError);
    }
    try {
      const answer = await within(COMMAND_TIMEOUT_MS, ask());
      answeredAt = performance.now();
      return answer;
    } catch (error) {
      if (error instanceof TimeoutError) reconnectIfSilent();
      throw redisError(error);
    }
  }

  /** A host that vanished closes no connection, and the operating system waits for 15 minutes. */
  function reconnectIfSilent(): void {
    if (!client.isReady || performance.now() - answeredAt < SILENCE_TIMEOUT_MS) return;
    downSince = performance.now();
    lastError = new TimeoutError(noAnswer(SILENCE_TIMEOUT_MS));
    logger.warn('redis_connection_lost', { error: lastError });
    client.destroy();
    client.connect().catch(() => undefined); // it only ends by close()
    subscriptions.reconnect();
  }

  return {
    address: addressOf(client),
    send: (args) => answered(() => client.sendCommand(args)),
    scripts: Object.fromEntries(
      Object.keys(sources).map((name) => {
        const call = client[name] as (args: object) => Promise<unknown>;
        return [name, (args: object) => answered(() => call.call(client, args))];
      }),
    ) as Scripts,
    subscribe: (channel, listener) => subscriptions.add(channel, listener),
    onReconnected(listener) {
      onReconnected.add(listener);
      return () => onReconnected.delete(listener);
    },
    onResubscribed: (listener) => subscriptions.onResubscribed(listener),
    async close() {
      subscriptions.close();
      // Waits for commands that were sent, but not for a Redis that is away.
      if (client.isReady) await within(COMMAND_TIMEOUT_MS, client.close()).catch(() => undefined);
      if (client.isOpen) client.destroy();
    },
  };
}

function createRedisClient(
  url: string,
  database: number,
  sources: Record<string, string>,
  reconnectStrategy: (retries: number, cause: Error) => number | Error,
) {
  const { socket, url: _, ...options } = createClient({ url }).options;
  return createClient({
    ...options,
    scripts: Object.fromEntries(
      Object.entries(sources).map(([name, source]) => [name, jsonScript(source)]),
    ),
    // Otherwise the database of the URL counts.
    ...(database !== 0 && { database }),
    socket: { ...socket, reconnectStrategy, connectTimeout: COMMAND_TIMEOUT_MS },
    // A command that was not sent by then is never sent.
    commandOptions: { timeout: COMMAND_TIMEOUT_MS },
    maintNotifications: 'disabled',
  });
}

function addressOf(client: Client): RedisAddress {
  const { socket = {}, username, password, database = 0 } = client.options;
  const {
    host = 'localhost',
    port = 6379,
    path,
    tls = false,
  } = socket as {
    host?: string;
    port?: number;
    path?: string;
    tls?: boolean;
  };
  return {
    socket: path === undefined ? { host, port, tls } : { path },
    username,
    password,
    database,
  };
}
