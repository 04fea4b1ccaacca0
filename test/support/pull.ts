/**
 * Pulling without the engine: small files stand for weights, and a network file is their copy.
 */
import { copyFileSync, readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { readArchive, verifyModel } from '../../src/models/archive.js';
import { findPublished } from '../../src/pull/catalogue.js';
import type { Assemble } from '../../src/pull/install.js';
import type { PullOptions } from '../../src/pull/pull.js';
import { randomNumbers } from './random.js';

/** Bytes that depend on `seed` only. */
export function randomBytes(length: number, seed: number): Buffer {
  const random = randomNumbers(seed);
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
}

/** The files of a published model, by the path at which Hugging Face, or a mirror of a package, serves them. */
export function publishedFiles(name: string, length = 5000, version = 0): Record<string, Buffer> {
  const { host, repository, members } = findPublished(name);
  const folder = host === 'hub' ? `${repository}/resolve/main` : name;
  return Object.fromEntries(
    members.map(({ weightsFile: { file } }, index) => [
      `/${folder}/${file}`,
      randomBytes(length, version + index),
    ]),
  );
}

export function assembleCopies(sources: readonly string[]): Assemble {
  return async ({ weights, out, signal }) => {
    await Promise.resolve();
    signal?.throwIfAborted();
    copyFileSync(weights, out);
    return {
      sha256: createHash('sha256').update(readFileSync(out)).digest('hex'),
      sources,
      segment: 343_980,
      minLength: 1000,
      sampleRate: 44_100,
      channels: 2,
    };
  };
}

/** Options that pull `name` with {@link assembleCopies} and quick retries. */
export function quickPull(name: string): Omit<PullOptions, 'modelsDir' | 'source'> {
  return {
    assemble: assembleCopies(findPublished(name).sources),
    verify: async (archive, modelsDir, signal) => {
      await verifyModel(await readArchive(path.join(modelsDir, archive), false), signal);
    },
    retry: { attempts: 3, firstDelayMs: 1, maxDelayMs: 5 },
    timeouts: { connectMs: 2000, stallMs: 2000 },
    lockStaleMs: 2000,
  };
}
