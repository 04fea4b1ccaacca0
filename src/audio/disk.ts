/**
 * What can go wrong with the disk, said for people.
 */
import { statfs } from 'node:fs/promises';
import { OxboardError } from '../errors.js';
import { displayPath } from './display.js';
import { FfmpegFailure } from './ffmpeg.js';

const ANOTHER_FOLDER = 'Free some space, or choose another folder with --out';

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

/** Turns a failure of writing below `place`, by us or by ffmpeg, into ours; others pass unchanged. */
export function writeError(error: unknown, place: string): unknown {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  const full = error instanceof FfmpegFailure && error.diskFull;
  if (full || code === 'ENOSPC' || code === 'EDQUOT') {
    return new OxboardError(
      'DISK_FULL',
      `The disk of ${displayPath(place)} is full. ${ANOTHER_FOLDER}`,
      {
        cause: error,
      },
    );
  }
  const reason = code === undefined ? undefined : UNWRITABLE[code];
  if (reason === undefined) return error;
  return new OxboardError(
    'OUTPUT_UNWRITABLE',
    `Cannot write to ${displayPath(place)} (${reason})`,
    {
      cause: error,
    },
  );
}

/**
 * Refuses work that would fill the disk, before it begins.
 *
 * @throws OxboardError DISK_FULL
 */
export async function checkFreeSpace(directory: string, bytesNeeded: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  if (free >= bytesNeeded) return;
  throw new OxboardError(
    'DISK_FULL',
    `The work needs ${megabytes(bytesNeeded)} on the disk of ${displayPath(directory)}, ` +
      `but only ${megabytes(free)} are free. ${ANOTHER_FOLDER}`,
  );
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
