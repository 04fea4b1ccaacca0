/**
 * Tries the native addon in a process of its own: a binary that kills its process must not kill
 * `oxboard doctor`, which is there to tell it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { NativeGpuStatus } from '../../native.js';
import type { LoadOptions } from '../../options.js';

export type Trial = { model: string } & Pick<LoadOptions, 'modelsDir' | 'device' | 'threads'>;

export interface TrialReport {
  /** The addon, once it is loaded. */
  native?: {
    libtorchVersion: string;
    defaultThreads: number;
    devices: string[];
    gpu: NativeGpuStatus;
  };
  /** The model, once each of its networks ran. */
  separation?: { device: string; threads: number; seconds: number; peakBytes: number };
  error?: { code: string; message: string };
}

const CHILD = fileURLToPath(new URL('trial-child.js', import.meta.url));
const MEMORY = /out of memory|OOM|bad_alloc|Cannot allocate|Thread creation failed|unavailable/i;

/** Loads the addon, and the model when one is given, which runs each of its networks once. */
export async function tryNative(trial?: Trial): Promise<TrialReport> {
  const child = spawn(process.execPath, [CHILD, ...(trial ? [JSON.stringify(trial)] : [])], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [status, signal] = (await once(child, 'close')) as [number | null, string | null];

  const lines = stdout.split('\n').filter((line) => line !== '');
  const report = Object.assign(
    {},
    ...lines.map((line) => JSON.parse(line) as object),
  ) as TrialReport;
  if (signal !== null || status !== 0) report.error = death(signal ?? String(status), stderr);
  return report;
}

/** The kernel's own killer of processes leaves no word. */
function death(by: string, stderr: string): { code: string; message: string } {
  const message = `The process that tried it ended with ${by}`;
  return by === 'SIGKILL' || MEMORY.test(stderr)
    ? { code: 'OUT_OF_MEMORY', message: `${message}: there is not enough memory` }
    : { code: 'NATIVE_UNLOADABLE', message };
}
