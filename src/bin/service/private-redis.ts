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

/** Runs redis-server, and ends it when its standard input ends: when this process does, in any way. */
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
const COMMAND_NOT_FOUND = 127;

/** The length that the path of a Unix socket may have on every platform. */
const MAX_SOCKET_PATH_BYTES = 100;
const POLL_MS = 25;
/** For an answer to a command, if any. */
const ANSWER_TIMEOUT_MS = 10_000;
/** Without any answer. While it loads its data it says so, and may take longer. */
const START_TIMEOUT_MS = 30_000;
/** For saving and closing. */
const STOP_TIMEOUT_MS = 10_000;
/** Before each attempt to restart a redis-server that ended by itself. */
const RESTART_DELAYS_MS = [0, 500, 1_000, 2_000, 5_000];
const OUTPUT_LINES_KEPT = 12;

export interface PrivateRedisOptions {
  dataDir: string;
  /** `everysec` or `always`: see REDIS_FSYNC. */
  fsync: 'everysec' | 'always';
  logger: Logger;
  startTimeoutMs?: number;
}

/**
 * @param onGivenUp it ended and does not start again.
 * @throws OxboardError REDIS_MISSING, REDIS_UNAVAILABLE, DATA_DIR_IN_USE
 */
export async function startPrivateRedis(
  { dataDir, fsync, logger, startTimeoutMs = START_TIMEOUT_MS }: PrivateRedisOptions,
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
  const start = async () => {
    await endLeftover(socket, startTimeoutMs);
    return startServer(config, socket, logger, startTimeoutMs);
  };
  const config = path.join(folder, 'redis.conf');

  let stopping = false;
  const isStopping = () => stopping;
  let server: RunningServer;
  try {
    await writeFile(config, settings(folder, socket, fsync), { mode: 0o600 });
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
      // The service was told to stop during the start.
      if (isStopping()) return next.stop();
      server = next;
      logger.info('redis_restarted');
    }
  };
  const watching = watch().catch(onGivenUp);

  return {
    // A folder's name may hold characters that have a meaning in a URL.
    url: `unix://${pathToFileURL(socket).pathname}`,
    async stop() {
      stopping = true;
      await server.stop();
      await watching;
      await release();
    },
    // The guardian notices the end of this process.
    kill: () => undefined,
  };
}

async function startAgain(
  start: () => Promise<RunningServer>,
  isStopping: () => boolean,
  logger: Logger,
): Promise<RunningServer | undefined> {
  for (const [attempt, delayMs] of RESTART_DELAYS_MS.entries()) {
    await sleep(delayMs);
    if (isStopping()) return undefined;
    try {
      return await start();
    } catch (error) {
      if (attempt === RESTART_DELAYS_MS.length - 1) throw error;
      logger.error('redis_restart_failed', { error });
    }
  }
  return undefined;
}

/** Redis reads words, in quotes where necessary. */
const settings = (folder: string, socket: string, fsync: string): string =>
  [
    ['port', '0'],
    ['unixsocket', socket],
    ['unixsocketperm', '700'],
    ['dir', folder],
    ['appendonly', 'yes'],
    ['appendfsync', fsync],
    ['save', ''],
    ['maxmemory-policy', 'noeviction'],
    ['daemonize', 'no'],
    ['logfile', ''],
  ]
    .map(([name = '', value = '']) => `${name} ${JSON.stringify(value)}\n`)
    .join('');

/** In our folder, unless its path is too long for a socket. */
async function chooseSocket(
  folder: string,
): Promise<{ socket: string; removeSocket: () => Promise<void> }> {
  const socket = path.join(folder, 'redis.sock');
  if (Buffer.byteLength(socket) <= MAX_SOCKET_PATH_BYTES) {
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

/** @throws OxboardError REDIS_MISSING, REDIS_UNAVAILABLE; then nothing is left running. */
async function startServer(
  config: string,
  socket: string,
  logger: Logger,
  startTimeoutMs: number,
): Promise<RunningServer> {
  const child = spawn('/bin/sh', ['-c', GUARDIAN, 'oxboard-redis', config], {
    stdio: ['pipe', 'pipe', 'pipe'],
    // Ctrl-C in a terminal is for this process alone.
    detached: true,
  });
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      output.push(line);
      if (output.length > OUTPUT_LINES_KEPT) output.shift();
      logger.debug('redis_output', { text: line });
    });
  }
  // It ends without having read its input only when it ends anyway.
  child.stdin.on('error', () => undefined);
  const ended = (once(child, 'close') as Promise<[number | null, string | null]>).then(
    ([status, signal]) => ({ status, signal }),
  );
  let exit: Awaited<typeof ended> | undefined;
  void ended.then((how) => (exit = how));
  let answeredAt = performance.now();
  for (;;) {
    const answer = await ask(socket, 'PING', startTimeoutMs);
    if (answer?.startsWith('+PONG')) break;
    if (exit) throw startFailed(exit.status, output);
    if (answer) answeredAt = performance.now();
    if (performance.now() - answeredAt > startTimeoutMs) {
      killGroup(child);
      await ended;
      throw noAnswer(startTimeoutMs, output);
    }
    await sleep(POLL_MS);
  }
  return { ended, stop: () => stopServer(child, ended) };
}

async function stopServer(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.stdin?.end();
  await withGrace(STOP_TIMEOUT_MS, ended, () => killGroup(child));
}

/** The guardian alone would leave redis-server behind. */
function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}

function startFailed(status: number | null, output: readonly string[]): OxboardError {
  if (status === COMMAND_NOT_FOUND) {
    const byHand = process.platform === 'darwin' ? 'brew install redis' : 'apt-get install redis';
    return new OxboardError(
      'REDIS_MISSING',
      'redis-server was not found on the PATH. Install it with: npx oxboard setup ' +
        `(or: ${byHand}), or name a Redis with REDIS_URL`,
    );
  }
  return new OxboardError(
    'REDIS_UNAVAILABLE',
    `redis-server does not start. Its output:\n${output.join('\n')}`,
  );
}

const noAnswer = (timeoutMs: number, output: readonly string[]): OxboardError =>
  new OxboardError(
    'REDIS_UNAVAILABLE',
    `redis-server started but did not answer within ${timeoutMs / 1000} s, and was ended. ` +
      `Its output:\n${output.join('\n')}`,
  );

/**
 * Ends a redis-server that an earlier run left behind, which writes to the same file.
 *
 * @throws OxboardError REDIS_UNAVAILABLE when it does not end.
 */
async function endLeftover(socket: string, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask(socket, 'SHUTDOWN', timeoutMs);
    if (answer === undefined) return;
    if (performance.now() > deadline) {
      throw new OxboardError(
        'REDIS_UNAVAILABLE',
        `A redis-server of an earlier run listens on ${socket} and does not end` +
          `${answer === '' ? '' : ` (${answer.trim()})`}. End it by hand, then start again`,
      );
    }
    await sleep(POLL_MS);
  }
}

/**
 * Sends one command.
 *
 * @returns the answer, empty when none came before the connection ended or `timeoutMs` passed;
 * undefined when nothing listens on the socket.
 */
async function ask(
  socket: string,
  command: string,
  timeoutMs: number,
): Promise<string | undefined> {
  const connection = connect(socket);
  let answer: string | undefined;
  connection.setEncoding('utf8').setTimeout(Math.min(timeoutMs, ANSWER_TIMEOUT_MS), () => {
    connection.destroy();
  });
  connection.once('connect', () => {
    answer = '';
    connection.write(`${command}\r\n`);
  });
  connection.on('data', (text: string) => {
    answer = `${answer ?? ''}${text}`;
    if (answer.includes('\r\n')) connection.end();
  });
  connection.on('error', () => undefined);
  await once(connection, 'close').catch(() => undefined);
  return answer;
}
