/**
 * The Redis that `oxboard serve` runs for itself when nobody named one: a redis-server on a Unix
 * socket, with an append-only file in DATA_DIR, without a port.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { OxboardError } from '../../errors.js';
import type { Logger } from '../../observability/logger.js';
import { withGrace } from '../../lib/timeout.js';
import { lockFolder } from './data-dir.js';
import type { Part } from './service.js';

export interface PrivateRedis extends Part {
  /** For REDIS_URL. */
  url: string;
}

/** Its standard input ends when we do, however that comes: then it ends redis-server. */
const GUARDIAN = `
  exec 3<&0 </dev/null
  redis-server "$1" 3<&- &
  redis=$!
  { read -r _ <&3; kill "$redis"; } &
  guard=$!
  wait "$redis"
  status=$?
  kill "$guard" 2>/dev/null
  exit "$status"
`;
const NOT_FOUND = 127;

/** Bytes that the path of a Unix socket may have on every platform. */
const SOCKET_PATH_LIMIT = 100;
const POLL = 25;
/** Milliseconds for saving and closing. */
const STOP_PATIENCE = 10_000;
/** Milliseconds before a redis-server that ended by itself is started again, each time. */
const RESTART_DELAYS = [0, 500, 1_000, 2_000, 5_000];
const LINES_KEPT = 12;

/**
 * @param onGivenUp it ended and does not start again.
 * @throws OxboardError REDIS_MISSING, REDIS_UNAVAILABLE, DATA_DIR_IN_USE
 */
export async function startPrivateRedis(
  { dataDir, logger }: { dataDir: string; logger: Logger },
  onGivenUp: (error: unknown) => void,
): Promise<PrivateRedis> {
  const folder = path.join(dataDir, 'redis');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const unlock = await lockFolder(folder, onGivenUp);
  const { socket, removeSocket } = await chooseSocket(folder);
  const release = async () => {
    await removeSocket();
    await unlock();
  };
  const config = path.join(folder, 'redis.conf');
  await writeFile(config, settings(folder, socket), { mode: 0o600 });
  const start = async () => {
    await endForgotten(socket);
    return startServer(config, socket, logger);
  };

  let stopping = false;
  const isStopping = () => stopping;
  let server: RunningServer;
  try {
    server = await start();
  } catch (error) {
    await release();
    throw error;
  }
  const watch = async (): Promise<void> => {
    for (;;) {
      const how = await server.ended;
      if (isStopping()) return;
      logger.error('redis_ended', how);
      const next = await startAgain(start, isStopping, logger);
      if (!next) return;
      // It was being started while we were told to stop.
      if (isStopping()) return next.stop();
      server = next;
      logger.info('redis_restarted');
    }
  };
  const watching = watch().catch(onGivenUp);

  return {
    // A folder may have signs in its name that mean something in a URL.
    url: `unix://${pathToFileURL(socket).pathname}`,
    async stop() {
      stopping = true;
      await server.stop();
      await watching;
      await release();
    },
    // The guardian sees us die.
    kill: () => undefined,
  };
}

async function startAgain(
  start: () => Promise<RunningServer>,
  isStopping: () => boolean,
  logger: Logger,
): Promise<RunningServer | undefined> {
  for (const [attempt, delay] of RESTART_DELAYS.entries()) {
    await sleep(delay);
    if (isStopping()) return undefined;
    try {
      return await start();
    } catch (error) {
      if (attempt === RESTART_DELAYS.length - 1) throw error;
      logger.error('redis_restart_failed', { error });
    }
  }
  return undefined;
}

/** Redis reads its settings as words, in quotes where need be. */
const settings = (folder: string, socket: string): string =>
  [
    ['port', '0'],
    ['unixsocket', socket],
    ['unixsocketperm', '700'],
    ['dir', folder],
    ['appendonly', 'yes'],
    ['appendfsync', 'everysec'],
    ['save', ''],
    ['maxmemory-policy', 'noeviction'],
    ['daemonize', 'no'],
    ['logfile', ''],
  ]
    .map(([name = '', value = '']) => `${name} ${JSON.stringify(value)}\n`)
    .join('');

/** In our folder, unless its path is too long for a socket's. */
async function chooseSocket(
  folder: string,
): Promise<{ socket: string; removeSocket: () => Promise<void> }> {
  const socket = path.join(folder, 'redis.sock');
  if (Buffer.byteLength(socket) <= SOCKET_PATH_LIMIT) {
    return { socket, removeSocket: () => rm(socket, { force: true }) };
  }
  const elsewhere = await mkdtemp(path.join(tmpdir(), 'oxboard-redis-'));
  return {
    socket: path.join(elsewhere, 'redis.sock'),
    removeSocket: () => rm(elsewhere, { recursive: true, force: true }),
  };
}

interface RunningServer {
  ended: Promise<{ status: number | null; signal: string | null }>;
  stop(): Promise<void>;
}

async function startServer(config: string, socket: string, logger: Logger): Promise<RunningServer> {
  const child = spawn('/bin/sh', ['-c', GUARDIAN, 'oxboard-redis', config], {
    stdio: ['pipe', 'pipe', 'pipe'],
    // Ctrl-C in a terminal is for us alone.
    detached: true,
  });
  const said: string[] = [];
  for (const output of [child.stdout, child.stderr]) {
    createInterface({ input: output }).on('line', (line) => {
      said.push(line);
      if (said.length > LINES_KEPT) said.shift();
      logger.debug('redis_said', { text: line });
    });
  }
  // It ends before it has read anything only when it ends at all.
  child.stdin.on('error', () => undefined);
  const ended = (once(child, 'close') as Promise<[number | null, string | null]>).then(
    ([status, signal]) => ({ status, signal }),
  );
  const stop = () => stopServer(child, ended);
  let over: Awaited<typeof ended> | undefined;
  void ended.then((how) => (over = how));
  while (!(await answers(socket))) {
    if (over) throw explain(over.status, said);
    await sleep(POLL);
  }
  return { ended, stop };
}

async function stopServer(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.stdin?.end();
  await withGrace(STOP_PATIENCE, ended, () => {
    // All of its group: the guardian alone would leave redis-server behind.
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  });
}

function explain(status: number | null, said: readonly string[]): OxboardError {
  if (status === NOT_FOUND) {
    const byHand = process.platform === 'darwin' ? 'brew install redis' : 'apt-get install redis';
    return new OxboardError(
      'REDIS_MISSING',
      'redis-server was not found on the PATH. Install it with: npx oxboard setup ' +
        `(or: ${byHand}), or name a Redis with REDIS_URL`,
    );
  }
  return new OxboardError(
    'REDIS_UNAVAILABLE',
    `redis-server does not start. It said:\n${said.join('\n')}`,
  );
}

/** Whether it has loaded its data, as far as someone listens there at all. */
const answers = async (socket: string): Promise<boolean> =>
  (await ask(socket, 'PING')).startsWith('+PONG');

/** One that an earlier run left behind writes to the same file. */
async function endForgotten(socket: string): Promise<void> {
  while ((await ask(socket, 'SHUTDOWN')) !== '') await sleep(POLL);
}

/** What a redis-server answers to a command; nothing when it is not there, or ends on it. */
async function ask(socket: string, command: string): Promise<string> {
  const connection = connect(socket);
  let answer = '';
  connection.setEncoding('utf8').setTimeout(STOP_PATIENCE, () => connection.destroy());
  connection.once('connect', () => connection.write(`${command}\r\n`));
  connection.on('data', (text: string) => {
    answer += text;
    if (answer.includes('\r\n')) connection.end();
  });
  connection.on('error', () => undefined);
  await once(connection, 'close').catch(() => undefined);
  return answer;
}
