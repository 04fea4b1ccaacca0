/**
 * File systems of a few megabytes, which only root can make.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';

const mounted: string[] = [];

/** To be called before the folder itself is removed: a mount cannot be. */
export function unmountSmallDisks(): void {
  for (const disk of mounted.splice(0)) execFileSync('umount', ['-l', disk]);
}

/** A file system of so many megabytes; undefined where there may be none. */
export function smallDisk(folder: string, name: string, megabytes: number): string | undefined {
  const disk = path.join(folder, name);
  mkdirSync(disk);
  try {
    const options = ['-t', 'tmpfs', '-o', `size=${String(megabytes)}m`, 'none', disk];
    execFileSync('mount', options, { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  mounted.push(disk);
  return disk;
}
