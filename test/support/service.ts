/**
 * The real service: `oxboard serve`, `api` and `worker` as child processes, and a client of it.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from './audio.js';
import { modelsDir } from './cli.js';
import { HANG_MS, REQUEST_POLL_MS, until } from './until.js';
import { freePort } from './free-port.js';

const OXBOARD = fileURLToPath(new URL('../../dist/bin/cli.js', import.meta.url));
/** A program that runs the scripts of this package. */
export const NPM = 'npm';
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

type Context = Parameters<typeof temporaryFolder>[0];

export type LogLine = { event: string; process?: string; job_id?: string } & Record<
  string,
  unknown
>;

export interface Ended {
  status: number | null;
  signal: NodeJS.Signals | null;
  stderr: string;
}

export interface TestService {
  pid: number;
  /** Of the API, without the path. */
  url: string;
  /** Of the metrics, with the path. */
  metricsUrl: string;
  dataDir: string;
  logs: () => LogLine[];
  /** Ids of its processes of that name, the last one last. */
  pids: (name: string) => number[];
  ended: Promise<Ended>;
  kill: (signal: NodeJS.Signals) => Promise<Ended>;
}

/** Starts a command of ours; resolves at once, also when it will fail. */
export async function launch(
  context: Context,
  command: readonly string[],
  env: Record<string, string> = {},
  program = OXBOARD,
): Promise<TestService> {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const dataDir = env.DATA_DIR ?? path.join(temporaryFolder(context), 'data');
  const variables: Record<string, string> = {
    HOST: '127.0.0.1',
    PORT: String(port),
    OBSERVABILITY_PROMETHEUS_PORT: String(metricsPort),
    METRICS_PORT: String(metricsPort),
    DATA_DIR: dataDir,
    DEMUCS_MODELS_PATH: modelsDir,
    DEMUCS_DEFAULT_MODEL: 'toy',
    DEMUCS_DEVICE: 'cpu',
    API_RATE_LIMIT: '1000000',
    LOG_LEVEL: 'debug',
    ENVIRONMENT: 'production',
    ...env,
  };
  const [executable, ...args] =
    program === NPM ? [NPM, '--prefix', ROOT, ...command] : [process.execPath, program, ...command];
  const child = spawn(executable, args, {
    cwd: temporaryFolder(context),
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: when npm is killed, what it runs goes on.
    detached: program === NPM,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = (once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>).then(
    ([status, signal]) => ({ status, signal, stderr }),
  );
  context.after(() => {
    if (program !== NPM || child.pid === undefined) child.kill('SIGKILL');
    else if (processesOf({ dataDir }).length > 0) process.kill(-child.pid, 'SIGKILL');
  });
  const logs = () =>
    stdout
      .slice(0, stdout.lastIndexOf('\n') + 1)
      .split('\n')
      // Set-up, which `npm start` does first, speaks to people.
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine);
  return {
    pid: child.pid ?? 0,
    url: `http://127.0.0.1:${variables.PORT}`,
    metricsUrl: `http://127.0.0.1:${variables.OBSERVABILITY_PROMETHEUS_PORT}/metrics`,
    dataDir,
    logs,
    pids: (name) =>
      logs()
        .filter((line) => line.event === 'process_ready' && line.name === name)
        .map((line) => Number(line.pid)),
    ended,
    kill(signal) {
      child.kill(signal);
      return ended;
    },
  };
}

/** Starts a command of ours and waits until it serves. */
export async function startService(
  context: Context,
  command: readonly string[],
  env: Record<string, string> = {},
  program = OXBOARD,
): Promise<TestService> {
  const service = await launch(context, command, env, program);
  const ready = until(
    () => service.logs().some(({ event }) => event === 'service_ready'),
    'the start',
  );
  const failed = service.ended.then(({ stderr }) => {
    throw new Error(`oxboard ${command.join(' ')} ended:\n${stderr}`);
  });
  failed.catch(() => undefined);
  await Promise.race([ready, failed]);
  return service;
}

export interface JobDocument {
  job_id: string;
  status: string;
  stage: string;
  progress: number;
  attempts: number;
  error: string | null;
  error_code: string | null;
  result: { stems: Record<string, { url: string; sha256: string; size_bytes: number }> } | null;
}

export interface Answer<T> {
  status: number;
  headers: Headers;
  body: T;
}

/**
 * Decoding and comparing samples blocks this process for longer than the service keeps an idle
 * connection: each request has a connection of its own.
 */
export const OWN_CONNECTION = { Connection: 'close' };

/** Asks the API; what it answers is JSON, or nothing. */
export async function ask<T = Record<string, unknown>>(
  { url }: Pick<TestService, 'url'>,
  target: string,
  init: RequestInit = {},
): Promise<Answer<T>> {
  const headers = new Headers(init.headers);
  headers.set('Connection', OWN_CONNECTION.Connection);
  const response = await fetch(`${url}/api/v1${target}`, { ...init, headers });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: (text === '' ? undefined : JSON.parse(text)) as T,
  };
}

/** Posts a file and gives the id of its job. */
export async function submit(
  service: Pick<TestService, 'url'>,
  file: string,
  fields: Record<string, string> = {},
): Promise<string> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.set('file', new Blob([readFileSync(file)]), path.basename(file));
  const { status, body } = await ask<{ job_id: string }>(service, '/stemify', {
    method: 'POST',
    body: form,
  });
  assert.equal(status, 202, JSON.stringify(body));
  return body.job_id;
}

export async function jobOf(
  service: Pick<TestService, 'url'>,
  id: string,
): Promise<JobDocument | undefined> {
  const { status, body } = await ask<JobDocument>(service, `/jobs/${id}`);
  return status === 200 ? body : undefined;
}

/** Waits until the job is as `condition` wants it; fails when it ended otherwise. */
export async function untilJob(
  service: Pick<TestService, 'url'>,
  id: string,
  condition: (job: JobDocument) => boolean,
  milliseconds = HANG_MS,
): Promise<JobDocument> {
  return until(
    async () => {
      const job = await jobOf(service, id);
      if (job && condition(job)) return job;
      const over = job && ['completed', 'failed', 'cancelled'].includes(job.status);
      assert.ok(!over, `the job ended as ${JSON.stringify(job)}`);
      return undefined;
    },
    'the state of the job',
    milliseconds,
    REQUEST_POLL_MS,
  );
}

export const untilCompleted = (
  service: Pick<TestService, 'url'>,
  id: string,
  milliseconds = HANG_MS,
): Promise<JobDocument> =>
  untilJob(service, id, ({ status }) => status === 'completed', milliseconds);

/** The checksums of a job's stems, by name. */
export const checksums = ({ result }: JobDocument): Record<string, string> =>
  Object.fromEntries(
    Object.entries(result?.stems ?? {}).map(([name, { sha256 }]) => [name, sha256]),
  );

/** Ids of all processes that were started with the service's DATA_DIR: its own, Redis, ffmpeg. */
export function processesOf({ dataDir }: Pick<TestService, 'dataDir'>): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => environmentOf(pid).includes(`DATA_DIR=${dataDir}`))
    .map(Number);
}

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    // It ended meanwhile, or is another user's.
    return [];
  }
}
