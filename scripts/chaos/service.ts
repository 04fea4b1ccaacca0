/**
 * The service under chaos: `oxboard serve` with its private Redis, and one worker more, so that another
 * one goes on when a worker dies. Whatever ends is started again, as an init system would.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../test/support/free-port.js';

const OXBOARD = fileURLToPath(new URL('../../dist/bin/cli.js', import.meta.url));
const MODELS = fileURLToPath(new URL('../../test/fixtures/models', import.meta.url));
const RESTART_DELAY_MS = 500;
const POLL_MS = 100;

/** A line of the log about a process or a job. */
export interface LogLine {
  event: string;
  /** Milliseconds since 1970, by the clock of this program. */
  at: number;
  /** Of the process, where it says so. */
  pid?: number;
  name?: string;
  job_id?: string;
  /** Which of the two commands wrote it. */
  command: Command;
}

type Command = 'serve' | 'worker';

/** Events of the log that are kept. */
const KEPT = /^(process_ready|service_ready|job_\w+|supervisor_lost|redis_\w+)$/;

export class Service {
  /** Holds everything that the service writes. */
  readonly root: string;
  readonly logs: LogLine[] = [];
  readonly #children = new Map<Command, ChildProcess>();
  readonly #environment: NodeJS.ProcessEnv;
  #stopping = false;
  #loops: Promise<void>[] = [];

  private constructor(root: string, environment: NodeJS.ProcessEnv) {
    this.root = root;
    this.#environment = environment;
  }

  /**
   * @param root an empty folder, with a short path: it holds a Unix socket.
   * @param library breaks the storage; see broken-folder.c. Without it the storage always works.
   */
  static async create(root: string, library: string | undefined): Promise<Service> {
    const storage = path.join(root, 'storage');
    mkdirSync(storage);
    return new Service(root, {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      HOST: '127.0.0.1',
      PORT: String(await freePort()),
      OBSERVABILITY_PROMETHEUS_PORT: String(await freePort()),
      STORAGE_URL: `file://${storage}`,
      DEMUCS_MODELS_PATH: MODELS,
      DEMUCS_DEFAULT_MODEL: 'toy',
      DEMUCS_DEVICE: 'cpu',
      DEMUCS_THREADS: '1',
      API_RATE_LIMIT: '1000000',
      LOG_LEVEL: 'info',
      ENVIRONMENT: 'production',
      ...(library && { LD_PRELOAD: library, CHAOS_FOLDER: storage }),
    });
  }

  /** Of the API. */
  get url(): string {
    return `http://127.0.0.1:${String(this.#environment.PORT)}/api/v1`;
  }

  get storage(): string {
    return path.join(this.root, 'storage');
  }

  get redisUrl(): string {
    return `unix://${path.join(this.#dataDir('serve'), 'redis', 'redis.sock')}`;
  }

  /** The folder of the private Redis. */
  get redisFolder(): string {
    return path.join(this.#dataDir('serve'), 'redis');
  }

  /** Starts both commands, and resolves when the API and both workers are ready. */
  async start(): Promise<void> {
    this.#stopping = false;
    const since = Date.now();
    const ready = async (command: Command) => {
      while (!this.#has(command, 'service_ready', since)) await sleep(POLL_MS);
    };
    this.#loops.push(this.#keepRunning('serve'));
    await ready('serve');
    this.#loops.push(this.#keepRunning('worker'));
    await ready('worker');
  }

  /** Ends both commands by SIGTERM, and resolves when they have ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const command of ['worker', 'serve'] as const) this.#children.get(command)?.kill();
    await Promise.all(this.#loops);
    this.#loops = [];
  }

  /** For when this program itself has to end. */
  kill(): void {
    this.#stopping = true;
    for (const pid of this.processes()) signal(pid, 'SIGKILL');
  }

  /** The process ids of a kind of process that runs at the moment. */
  pids(kind: 'serve' | 'api' | 'worker' | 'redis'): number[] {
    const own = (command: Command) => {
      const child = this.#children.get(command);
      return child?.pid !== undefined && child.exitCode === null && child.signalCode === null
        ? [child.pid]
        : [];
    };
    if (kind === 'serve') return own('serve');
    const running = this.processes();
    if (kind === 'redis')
      return running.filter((pid) => readOfProcess(pid, 'comm').trim() === 'redis-server');
    // By the command line: a number in the log may be another process's by now.
    const forked = running.filter((pid) =>
      readOfProcess(pid, 'cmdline').includes(`child.js\0${kind}\0`),
    );
    return kind === 'worker' ? [...forked, ...own('worker')] : forked;
  }

  /** Workers that have a job that has not ended, by the log. */
  busyWorkers(): number[] {
    const busy = new Map<number, Set<string>>();
    for (const { event, job_id: job, pid } of this.logs) {
      if (!job || pid === undefined) continue;
      const jobs = busy.get(pid) ?? new Set();
      busy.set(pid, jobs);
      if (event === 'job_started') jobs.add(job);
      else if (JOB_ENDED.test(event)) jobs.delete(job);
    }
    return this.pids('worker').filter((pid) => (busy.get(pid)?.size ?? 0) > 0);
  }

  /** Ids of all processes that belong to the service: its own, Redis, ffmpeg. */
  processes(): number[] {
    // Redis writes its title over its environment; that has the path of its socket.
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) =>
        ['environ', 'cmdline'].some((file) => readOfProcess(pid, file).includes(`${this.root}/`)),
      )
      .map(Number);
  }

  #dataDir(command: Command): string {
    return path.join(this.root, command);
  }

  #has(command: Command, event: string, since: number): boolean {
    return this.logs.some(
      (line) => line.command === command && line.event === event && line.at >= since,
    );
  }

  async #keepRunning(command: Command): Promise<void> {
    for (;;) {
      const output = path.join(this.root, `${command}.log`);
      const child = spawn(process.execPath, [OXBOARD, command], {
        cwd: this.root,
        env: {
          ...this.#environment,
          DATA_DIR: this.#dataDir(command),
          ...(command === 'worker' && { REDIS_URL: this.redisUrl }),
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      this.#children.set(command, child);
      createInterface({ input: child.stdout }).on('line', (text) => {
        writeFileSync(output, `${text}\n`, { flag: 'a' });
        this.#read(command, child.pid, text);
      });
      child.stderr.on('data', (text: Buffer) => writeFileSync(output, text, { flag: 'a' }));
      await once(child, 'exit');
      if (this.#stopping) return;
      await sleep(RESTART_DELAY_MS);
    }
  }

  #read(command: Command, ownPid: number | undefined, text: string): void {
    if (!text.startsWith('{')) return;
    const line = JSON.parse(text) as LogLine;
    if (!KEPT.test(line.event)) return;
    const { event, name, job_id } = line;
    const pid = line.pid ?? ownPid;
    this.logs.push({
      event,
      command,
      at: Date.now(),
      ...(pid !== undefined && { pid }),
      ...(name !== undefined && { name }),
      ...(job_id !== undefined && { job_id }),
    });
  }
}

const JOB_ENDED = /^job_(completed|failed|cancelled|lost|handed_back)$/;

/** Signals a process, which may have ended. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** @returns nothing of a process that has just ended, or is another user's. */
function readOfProcess(pid: string | number, file: string): string {
  try {
    return readFileSync(`/proc/${String(pid)}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
