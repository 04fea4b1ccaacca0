import {
  accessSync,
  constants,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { stateDir } from './files.mjs';

const POLL = 500;
const HEARTBEAT = 5_000;
const STALE = 60_000;

const file = join(stateDir, 'setup.lock');
const ours = JSON.stringify({ pid: process.pid, host: hostname() });

const read = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function isStale(content) {
  const beat = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
  if (Date.now() - beat > STALE) return true;
  try {
    const { pid, host } = JSON.parse(content);
    return host === hostname() && !alive(pid);
  } catch {
    return false;
  }
}

function take() {
  // A link appears with its content in place, where a created file is empty for a moment.
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, ours);
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(draft, { force: true });
  }
}

function breakStale(content) {
  const aside = `${file}.stale-${process.pid}`;
  try {
    renameSync(file, aside);
    // Another waiter may have broken the stale lock and taken a fresh one since we looked.
    if (read(aside) !== content) linkSync(aside, file);
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes(error.code)) throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

/** Two set-ups at once would write into the same folders: the second waits for the first. */
export async function withLock(report, work) {
  try {
    mkdirSync(stateDir, { recursive: true });
    accessSync(stateDir, constants.W_OK);
  } catch {
    // Where nothing can be written, nothing can be spoilt: all may be done already, as in an image.
    return work();
  }
  let told = false;
  while (!take()) {
    const content = read(file);
    if (content !== undefined && isStale(content)) {
      breakStale(content);
      continue;
    }
    if (!told) report.line('another set-up is at work here: waiting for it to end');
    told = true;
    await new Promise((resolve) => setTimeout(resolve, POLL));
  }
  const release = () => {
    if (read(file) === ours) rmSync(file, { force: true });
  };
  const heartbeat = setInterval(() => {
    try {
      utimesSync(file, new Date(), new Date());
    } catch {
      // Someone removed the state folder by hand; the work itself is not hurt by that.
    }
  }, HEARTBEAT);
  process.once('exit', release);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    process.off('exit', release);
    release();
  }
}
