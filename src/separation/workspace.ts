/**
 * A hidden folder beside the output where spools and unfinished files live. It is on the same file
 * system, so that finished files move into place at once, and it goes on every outcome but `kill -9`
 * and power failure; what those leave goes when the next work begins at the same place.
 */
import { createHash } from 'node:crypto';
import { rmdirSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readlink, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { displayPath } from '../audio/display.js';
import { OxboardError } from '../errors.js';

const open = new Set<Workspace>();

export class Workspace {
  readonly directory: string;
  readonly #parent: string;
  /** The topmost folder that was made for this work, if any. */
  readonly #created: string | undefined;

  private constructor(directory: string, parent: string, created: string | undefined) {
    this.directory = directory;
    this.#parent = parent;
    this.#created = created;
    open.add(this);
  }

  static async create(parent: string): Promise<Workspace> {
    const created = await mkdir(parent, { recursive: true });
    if (created === undefined) await removeAbandoned(parent);
    try {
      const directory = await mkdtemp(path.join(parent, `${await ownPrefix()}-`));
      return new Workspace(directory, parent, created);
    } catch (error) {
      if (created !== undefined) removeEmptyFolders(parent, created);
      throw error;
    }
  }

  path(name: string): string {
    return path.join(this.directory, name);
  }

  /**
   * Moves finished files to their places, over older ones but never over the input.
   *
   * @throws OxboardError OUTPUT_UNWRITABLE
   */
  async publish(moves: readonly { from: string; to: string }[], input: string): Promise<void> {
    const song = await stat(input);
    for (const { to } of moves) {
      const there = await stat(to).catch(() => undefined);
      if (there?.dev === song.dev && there.ino === song.ino) {
        throw new OxboardError(
          'OUTPUT_UNWRITABLE',
          `${displayPath(to)} is the input itself. Choose another --out or --filename`,
        );
      }
    }
    const undo: (() => void)[] = [];
    for (const { from, to } of moves) {
      const folder = path.dirname(to);
      try {
        const created = await mkdir(folder, { recursive: true });
        if (created !== undefined) undo.push(() => removeEmptyFolders(folder, created));
        await rename(from, to);
        undo.push(() => rmSync(to, { force: true }));
      } catch (error) {
        for (const step of undo.reverse()) step();
        throw error;
      }
    }
  }

  /** Removes the folder, and the folders made for it where nothing was written. Safe to repeat. */
  remove(): void {
    if (!open.delete(this)) return;
    // ffmpeg may be in the act of making a file when it is killed: hence the retries.
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
    if (this.#created !== undefined) removeEmptyFolders(this.#parent, this.#created);
  }
}

/**
 * The name of this process's folders: which process of which machine, or container, made them. A
 * process id alone means another process elsewhere, on a shared disk.
 */
async function ownPrefix(): Promise<string> {
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
  const machine = createHash('sha256').update(`${hostname()}\n${namespace}`).digest('hex');
  return `.oxboard-${machine.slice(0, 12)}-${String(process.pid)}`;
}

/** Removes the folders of processes of this machine that are no more. */
async function removeAbandoned(parent: string): Promise<void> {
  const [, machine] = (await ownPrefix()).split('-');
  for (const name of await readdir(parent).catch(() => [])) {
    const [, maker, pid] = /^\.oxboard-([0-9a-f]+)-(\d+)-\w+$/.exec(name) ?? [];
    if (maker !== machine || pid === undefined) continue;
    const directory = path.join(parent, name);
    const ours = [...open].some((workspace) => workspace.directory === directory);
    if (ours || (await isInUse(directory, Number(pid)))) continue;
    await rm(directory, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function isInUse(directory: string, pid: number): Promise<boolean> {
  if (pid === process.pid) {
    // Process ids come back, in containers at each start: what is older than this process is not its.
    const { birthtimeMs } = await stat(directory).catch(() => ({ birthtimeMs: Infinity }));
    return birthtimeMs > Date.now() - process.uptime() * 1000;
  }
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Someone else's process may not be signalled, but it is there.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Removes `folder` and those above it up to `topmost`, as far as they are empty. */
function removeEmptyFolders(folder: string, topmost: string): void {
  try {
    rmdirSync(folder);
  } catch {
    return; // Something is in it.
  }
  if (folder !== topmost) removeEmptyFolders(path.dirname(folder), topmost);
}

/** For a process that is about to die: synchronous, since nothing runs after a signal. */
export function removeOpenWorkspaces(): void {
  for (const workspace of [...open]) workspace.remove();
}
