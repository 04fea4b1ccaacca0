import { rmSync } from 'node:fs';

const MAX_TRIES = 25;
const PAUSE_MS = 20;

/**
 * Removes a folder at once, also while something that is about to end still makes files in it: a program
 * that was killed, or a call of this process that is under way. The retries of rmSync do not look for
 * new files.
 *
 * @throws the file system's error.
 */
export function removeFolderSync(folder: string): void {
  for (let tries = 1; ; tries++) {
    try {
      rmSync(folder, { recursive: true, force: true });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY' || tries === MAX_TRIES) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    }
  }
}
