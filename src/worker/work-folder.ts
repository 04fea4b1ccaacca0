/**
 * Where a worker keeps unfinished work: in the data folder, never in /tmp, which may be memory.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { makeProcessFolder, removeAbandonedFolders } from '../lib/process-folder.js';

/** Age at which what a worker of another machine, or of an earlier container, left is removed. */
const ABANDONED_SECONDS = 86_400;

const open = new Set<string>();

export interface WorkFolder {
  readonly directory: string;
  remove(): Promise<void>;
}

/** Removes the folders in `parent` of workers that have ended, and makes one for this worker. */
export async function openWorkFolder(parent: string): Promise<WorkFolder> {
  await mkdir(parent, { recursive: true });
  await removeAbandonedFolders(parent, {
    isOpen: (directory) => open.has(directory),
    foreignSeconds: ABANDONED_SECONDS,
  });
  const directory = await makeProcessFolder(parent);
  open.add(directory);
  return {
    directory,
    async remove() {
      await rm(directory, { recursive: true, force: true });
      open.delete(directory);
    },
  };
}

/**
 * Runs work in a new folder in `parent`, which is removed afterwards.
 *
 * @param prefix of the folder's name.
 */
export async function inFolder<T>(
  parent: string,
  prefix: string,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  await mkdir(parent, { recursive: true });
  const directory = await mkdtemp(path.join(parent, prefix));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  }
}
