/**
 * Errors of the file system and lack of space, as errors that tell a user what to do.
 */
import { statfs } from 'node:fs/promises';
import { OxboardError } from '../errors.js';

/** Where something is written, for messages. */
export interface DiskPlace {
  /** The path, fit for display. */
  name: string;
  /** What to do when it is full: a sentence without its end. */
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

/** Turns a failed write to a place into DISK_FULL or OUTPUT_UNWRITABLE; other errors are returned unchanged. */
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
 * Checks that there is enough space, before work begins that would fill the disk.
 *
 * @param directory must exist.
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
