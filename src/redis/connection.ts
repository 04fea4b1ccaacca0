/**
 * The connection to Redis: every command ends within seconds, and every way in which Redis can be
 * away is one error, REDIS_UNAVAILABLE.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'redis';
import type { Logger } from '../observability/logger.js';
import { isNoScript, isRefusedLogin, redisError, unavailable } from './redis-errors.js';
import { Subscriptions } from './subscriptions.js';
import { redactUrl } from '../lib/redact-url.js';
import { TooLate, within } from '../lib/timeout.js';

/** Milliseconds that a command may take. */
const COMMAND_TIMEOUT = 3_000;
/** Milliseconds without a connection after which commands no longer wait for it. */
const PATIENCE = 1_000;
const CONNECT_TIMEOUT = 10_000;
/** Milliseconds without any answer after which the other end is taken for gone. */
const SILENCE = 6_000;
const LONGEST_RETRY_DELAY = 1_000;

type Client = ReturnType<typeof createRedisClient>;

/** A Lua script; Redis knows it by its hash. */
export interface Script {
  source: string;
  sha: string;
}

export const script = (source: string): Script => ({
  source,
  sha: createHash('sha1').update(source).digest('hex'),
});

/** What another client library needs for the same Redis; see Bee-Queue. */
export interface RedisAddress {
  socket: { path: string } | { host: string; port: number; tls: boolean };
  username: string | undefined;
  password: string | undefined;
  database: number;
}

/** All methods throw OxboardError REDIS_UNAVAILABLE. */
export interface RedisConnection {
  readonly address: RedisAddress;
  /** Sends any command. Errors of the command itself are those of the client library. */
  send(args: readonly string[]): Promise<unknown>;
  /** Runs a script; Redis gets it with the call when it does not know it (any more). */
  run(script: Script, args: readonly (string | number)[]): Promise<unknown>;
  /** Listens to a channel over one connection for all. @returns ends it. */
  subscribe(channel: string, listener: (message: string) => void): Promise<() => void>;
  /** Told when Redis is there again; it may have lost its scripts meanwhile. */
  onReconnected(listener: () => void): () => void;
  /** Told when subscriptions are in force again after messages may have been lost. */
  onResubscribed(listener: () => void): () => void;
  close(): Promise<void>;
}

/**
 * @param redisUrl `redis://`, `rediss://` or `unix://`, with user name and password if need be.
 * @param redisDb number of the database; 0 leaves it to the URL.
 * @throws OxboardError REDIS_UNAVAILABLE when it does not answer within ten seconds.
 */
export async function connectRedis(
  { redisUrl, redisDb }: { redisUrl: string; redisDb: number },
  logger: Logger,
): Promise<RedisConnection> {
  let connected = false;
  let lastError: Error | undefined;
  const client = createRedisClient(redisUrl, redisDb, (retries, cause) => {
    // A wrong password stops the start; later on it may be the operator's doing, who then mends it.
    if (!connected && isRefusedLogin(cause)) return cause;
    return Math.min(50 * 2 ** Math.min(retries, 10), LONGEST_RETRY_DELAY);
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

  const giveUp = new AbortController();
  try {
    await Promise.race([
      client.connect(),
      sleep(CONNECT_TIMEOUT, undefined, { signal: giveUp.signal }).then(() => {
        throw lastError ?? new Error('no answer');
      }),
    ]);
    connected = true;
  } catch (error) {
    client.destroy();
    throw unavailable(`Redis does not answer at ${redactUrl(redisUrl)}`, error);
  } finally {
    giveUp.abort();
  }

  const subscriptions = new Subscriptions(client.duplicate(), logger);

  async function answered<T>(ask: () => Promise<T>): Promise<T> {
    if (downSince !== undefined && performance.now() - downSince > PATIENCE) {
      throw unavailable('Redis does not answer', lastError);
    }
    try {
      const answer = await within(COMMAND_TIMEOUT, ask());
      answeredAt = performance.now();
      return answer;
    } catch (error) {
      if (error instanceof TooLate) reconnectIfSilent();
      throw redisError(error);
    }
  }

  /** A host that vanished closes no connection; the system would wait for it a quarter of an hour. */
  function reconnectIfSilent(): void {
    if (!client.isReady || performance.now() - answeredAt < SILENCE) return;
    downSince = performance.now();
    lastError = new TooLate(SILENCE);
    logger.warn('redis_connection_lost', { error: lastError });
    client.destroy();
    client.connect().catch(() => undefined); // it only ends by close()
    subscriptions.reconnect();
  }

  return {
    address: addressOf(client),
    send: (args) => answered(() => client.sendCommand(args)),
    run: ({ source, sha }, args) => {
      const rest = ['0', ...args.map(String)];
      return answered(async () => {
        try {
          return await client.sendCommand(['EVALSHA', sha, ...rest]);
        } catch (error) {
          if (!isNoScript(error)) throw error;
          return client.sendCommand(['EVAL', source, ...rest]);
        }
      });
    },
    subscribe: (channel, listener) => subscriptions.add(channel, listener),
    onReconnected(listener) {
      onReconnected.add(listener);
      return () => onReconnected.delete(listener);
    },
    onResubscribed: (listener) => subscriptions.onResubscribed(listener),
    async close() {
      subscriptions.close();
      // What was sent is waited for, but not a Redis that is away.
      if (client.isReady) await within(COMMAND_TIMEOUT, client.close()).catch(() => undefined);
      if (client.isOpen) client.destroy();
    },
  };
}

function createRedisClient(
  url: string,
  database: number,
  reconnectStrategy: (retries: number, cause: Error) => number | Error,
) {
  const { socket, url: _, ...options } = createClient({ url }).options;
  return createClient({
    ...options,
    // The library would let the URL win.
    ...(database !== 0 && { database }),
    socket: { ...socket, reconnectStrategy, connectTimeout: COMMAND_TIMEOUT },
    // What was not sent by then is not sent later either.
    commandOptions: { timeout: COMMAND_TIMEOUT },
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
