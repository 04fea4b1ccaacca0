import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, stateDir } from './files.mjs';
import { SetupError } from './report.mjs';

const TAIL_LINES = 25;

export function has(command, ...args) {
  const { error, status } = spawnSync(command, args.length ? args : ['--version'], {
    stdio: 'ignore',
  });
  return !error && status === 0;
}

export function outputOf(command, ...args) {
  const { error, status, stdout } = spawnSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return error || status !== 0 ? '' : stdout.trim();
}

function logFile(name) {
  const folder = join(stateDir, 'logs');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.log`);
  writeFileSync(file, '');
  return file;
}

/** Runs a command quietly; its whole output goes to .oxboard/logs/<name>.log. Never throws. */
export function attempt(name, command, args, { onLine = () => {}, env = {}, cwd = root } = {}) {
  const file = logFile(name);
  return new Promise((resolve) => {
    const tail = [];
    let rest = '';
    const take = (chunk) => {
      appendFileSync(file, chunk);
      const lines = (rest + chunk).split(/\r?\n/);
      rest = lines.pop();
      for (const line of lines) {
        onLine(line);
        tail.push(line);
        if (tail.length > TAIL_LINES) tail.shift();
      }
    };
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.on('error', (error) => resolve({ ok: false, file, tail: error.message }));
    child.on('close', (status) => {
      if (rest) take('\n');
      resolve({ ok: status === 0, file, tail: tail.join('\n').trim() });
    });
  });
}

export async function mustRun(name, command, args, { failure, mend, ...options }) {
  const result = await attempt(name, command, args, options);
  if (!result.ok) {
    throw new SetupError(`${result.tail}\n\n${failure} (everything it said: ${result.file})`, mend);
  }
}
