/**
 * What can go wrong with a disk, said for people.
 */
import { statfs } from 'node:fs/promises';
import { OxboardError } from '../errors.js';

/** Where something is written, in words for messages. */
export interface DiskPlace {
  /** The path, fit for display. */
  name: string;
  /** What to do when there is no room: a sentence without its end. */
  advice: string;
}

const UNWRITABLE: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EEXIST: 'a file of that name is in the way',
  EISDIR: 'a folder of that name is in the way',
  ENOTEMPTY: 'a folder of that name is in the way',
  ENAMETOOLONG: 'the name is too long',
  ENOENT: 'a folder is gone',
  ELOOP: 'too many symbolic links',
};

/** Turns a failure of writing to `place` into DISK_FULL or OUTPUT_UNWRITABLE; others pass unchanged. */
export function diskError(error: unknown, { name, advice }: DiskPlace): unknown {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new OxboardError('DISK_FULL', `The disk of ${name} is full. ${advice}`, {
      cause: error,
    });
  }
  const reason = code === undefined ? undefined : UNWRITABLE[code];
  if (reason === undefined) return error;
  return new OxboardError('OUTPUT_UNWRITABLE', `Cannot write to ${name} (${reason})`, {
    cause: error,
  });
}

/**
 * Refuses work that would fill the disk, before it begins.
 *
 * @param directory one that exists.
 * @throws OxboardError DISK_FULL
 */
export async function requireFreeSpace(
  directory: string,
  bytesNeeded: number,
  { name, advice }: DiskPlace,
): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  if (free >= bytesNeeded) return;
  throw new OxboardError(
    'DISK_FULL',
    `The work needs ${megabytes(bytesNeeded)} on the disk of ${name}, ` +
      `but only ${megabytes(free)} are free. ${advice}`,
  );
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
