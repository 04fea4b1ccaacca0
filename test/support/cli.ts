/**
 * The command line as a child process.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../dist/bin/cli.js', import.meta.url));

export const modelsDir = fileURLToPath(new URL('../fixtures/models', import.meta.url));

export interface Outcome {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** @param onStderr sees all that was said so far, each time more is said. */
export function oxboard(
  args: readonly string[],
  {
    cwd,
    env = {},
    onStderr,
    command = [process.execPath, program, ...args],
    uid,
    input,
  }: {
    cwd?: string | undefined;
    env?: Record<string, string>;
    onStderr?: (text: string, child: ChildProcess) => void;
    /** Runs this instead. */
    command?: readonly string[];
    /** Runs as this user and group. */
    uid?: number | undefined;
    /** A file to be standard input, which is empty without it. */
    input?: string | undefined;
  } = {},
): Promise<Outcome> {
  const [executable = '', ...rest] = command;
  const child = spawn(executable, rest, {
    cwd,
    ...(uid !== undefined && { uid, gid: uid }),
    // Nothing of the developer's own settings may change the outcome.
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: 'pipe',
  });
  // It may end without reading.
  child.stdin.on('error', () => undefined);
  if (input === undefined) child.stdin.end();
  else createReadStream(input).pipe(child.stdin);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    onStderr?.(stderr, child);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
}
