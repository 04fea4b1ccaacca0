/**
 * A hidden folder beside the output where spools and unfinished files live. It is on the same file
 * system, so that finished files move into place at once, and it goes on every outcome but `kill -9`
 * and power failure; what those leave goes when the next work begins at the same place.
 */
import { lstatSync, mkdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { displayPath } from '../lib/display-path.js';
import { OxboardError } from '../errors.js';
import { makeProcessFolder, removeAbandonedFolders } from '../lib/process-folder.js';
import { removeFolderSync } from '../lib/remove-folder.js';

const open = new Set<Workspace>();
const isOpen = (directory: string): boolean =>
  [...open].some((workspace) => workspace.directory === directory);

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
    if (created === undefined) await removeAbandonedFolders(parent, { isOpen });
    try {
      const directory = await makeProcessFolder(parent);
      return new Workspace(directory, parent, created);
    } catch (error) {
      if (created !== undefined) removeEmptyFolders(parent, created);
      throw error;
    }
  }

  /** Whether files can have names with all characters of Unix here; exFAT and Windows shares differ. */
  async takesAnyName(): Promise<boolean> {
    const folder = this.path('names');
    const name = 'a?:*"<>|.';
    await mkdir(folder);
    try {
      await writeFile(path.join(folder, name), '');
      return (await readdir(folder)).includes(name);
    } catch {
      return false;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  path(name: string): string {
    return path.join(this.directory, name);
  }

  /**
   * Moves finished files to their places, over older ones but never over the input. When one cannot
   * be moved, all is as it was before.
   *
   * @throws OxboardError OUTPUT_UNWRITABLE; the file system's error.
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
    // Synchronous, so that a signal finds either all files in place or none.
    const undo: (() => void)[] = [];
    try {
      for (const [index, { from, to }] of moves.entries()) {
        const folder = path.dirname(to);
        const created = mkdirSync(folder, { recursive: true });
        if (created !== undefined) undo.push(() => removeEmptyFolders(folder, created));
        if (lstatSync(to, { throwIfNoEntry: false })?.isDirectory() === false) {
          const aside = this.path(`replaced-${String(index)}`);
          renameSync(to, aside);
          undo.push(() => renameSync(aside, to));
        }
        renameSync(from, to);
        undo.push(() => rmSync(to, { force: true }));
      }
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    }
  }

  /** Removes the folder, and the folders made for it where nothing was written. Safe to repeat. */
  remove(): void {
    if (!open.delete(this)) return;
    removeFolderSync(this.directory);
    if (this.#created !== undefined) removeEmptyFolders(this.#parent, this.#created);
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
