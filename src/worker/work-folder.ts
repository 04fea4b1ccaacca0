/**
 * Where a worker keeps what is not finished: in the data folder, never in /tmp, which may be memory.
 */
import { mkdir, rm } from 'node:fs/promises';
import { makeProcessFolder, removeAbandonedFolders } from '../lib/process-folder.js';

/** Age of what a worker of another machine left, or of an earlier container. */
const ABANDONED_SECONDS = 86_400;

const open = new Set<string>();

export interface WorkFolder {
  readonly directory: string;
  remove(): Promise<void>;
}

/** Removes the folders in `parent` of workers that are no more, and makes one of this worker's own. */
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
