/**
 * A redis-server of the test's own: on a Unix socket in a folder that goes with it, with an
 * append-only file, so that it comes back with all it had.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { temporaryFolder } from './audio.js';
import { freePort } from './free-port.js';

type Context = Parameters<typeof temporaryFolder>[0];

export interface TestRedis {
  /** For REDIS_URL. */
  url: string;
  /** Resolves when it answers, after `stop` or `kill`. */
  start(): Promise<void>;
  /** By SIGTERM: it saves and says goodbye. */
  stop(): Promise<void>;
  /** By SIGKILL. */
  kill(): Promise<void>;
  /** It keeps its connections but answers nothing. */
  freeze(): void;
  thaw(): void;
}

/**
 * @param options.tcp listens on a free port of 127.0.0.1 instead.
 * @param options.args more of redis-server's own, such as `--requirepass`.
 */
export async function startRedis(
  context: Context,
  { tcp = false, args = [] as string[] } = {},
): Promise<TestRedis> {
  const folder = temporaryFolder(context);
  // A test that runs as another user has to reach it.
  chmodSync(folder, 0o755);
  const socket = path.join(folder, 'redis.sock');
  const port = tcp ? await freePort() : 0;
  let child: ChildProcess | undefined;

  const end = async (signal: NodeJS.Signals) => {
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    if (signal === 'SIGTERM') child.kill('SIGCONT');
    await exited;
  };
  const redis: TestRedis = {
    url: tcp ? `redis://127.0.0.1:${port}` : `unix://${socket}`,
    async start() {
      child = spawn(
        'redis-server',
        [
          ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''],
          ...['--appendonly', 'yes', '--daemonize', 'no'],
          ...(tcp ? [] : ['--unixsocket', socket, '--unixsocketperm', '777']),
          ...args,
        ],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      let said = '';
      const lines = createInterface({ input: child.stdout! });
      await new Promise<void>((resolve, reject) => {
        lines.on('line', (line) => {
          said += `${line}\n`;
          if (/ready to accept connections/i.test(line)) resolve();
        });
        child!.once('error', reject);
        child!.once('exit', () => reject(new Error(`redis-server did not start:\n${said}`)));
      });
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
  };
  // Hooks run in the order of their making: the folder goes while redis-server dies, which minds not.
  context.after(() => void child?.kill('SIGKILL'));
  await redis.start();
  return redis;
}
