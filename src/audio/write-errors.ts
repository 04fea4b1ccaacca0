/**
 * What can go wrong with the disk of an output folder, said for people.
 */
import { diskError, requireFreeSpace, type DiskPlace } from '../lib/disk.js';
import { OxboardError } from '../errors.js';
import { displayPath } from '../lib/display-path.js';
import { FfmpegFailure } from './ffmpeg.js';

const at = (place: string): DiskPlace => ({
  name: displayPath(place),
  advice: 'Free some space, or choose another folder with --out',
});

/** Turns a failure of writing below `place`, by us or by ffmpeg, into ours; others pass unchanged. */
export function writeError(error: unknown, place: string): unknown {
  const { name, advice } = at(place);
  if (error instanceof FfmpegFailure && error.diskFull) {
    return new OxboardError('DISK_FULL', `The disk of ${name} is full. ${advice}`, {
      cause: error,
    });
  }
  return diskError(error, { name, advice });
}

/**
 * Refuses work that would fill the disk, before it begins.
 *
 * @throws OxboardError DISK_FULL
 */
export async function checkFreeSpace(directory: string, bytesNeeded: number): Promise<void> {
  await requireFreeSpace(directory, bytesNeeded, at(directory));
}
