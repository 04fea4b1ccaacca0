/**
 * Files that something went wrong with.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { randomNumbers } from '../../src/lib/random.js';

/** Writes noise over a share of a file's bytes, from a share of its length on. */
export function noiseOver(file: string, { from, share }: { from: number; share: number }): void {
  const bytes = readFileSync(file);
  const random = randomNumbers(1);
  const start = Math.floor(bytes.length * from);
  const end = start + Math.floor(bytes.length * share);
  for (let at = start; at < end; at++) bytes[at] = Math.floor(random() * 256);
  writeFileSync(file, bytes);
}
