/**
 * From the stems on this machine to a result in the storage.
 */
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import type { FileResult } from '../separation/separate-file.js';
import type { Storage } from '../storage/storage.js';
import type { JobResult, StemResult } from '../jobs/job.js';

/**
 * Puts the stems into the storage; all of them, or none.
 *
 * @param workSeconds over all attempts that led to these stems.
 */
export async function storeResult(
  storage: Storage,
  { output, nullTestDb, track, warnings, manifest }: FileResult,
  workSeconds: number,
  signal: AbortSignal,
): Promise<JobResult> {
  // A name that no other attempt has: two workers never write the same object.
  const id = randomUUID();
  const stems: Record<string, StemResult> = {};
  let audioSeconds = 0;
  try {
    for (const [name, stem] of Object.entries(output.stems)) {
      const { format, sizeBytes, durationSeconds, sampleRate, channels, sha256, gain } = stem;
      const key = `${keyOf(id)}/${name}${path.extname(stem.path)}`;
      await storage.putFile(key, stem.path, signal);
      stems[name] = { key, format, sizeBytes, durationSeconds, sampleRate, channels, sha256, gain };
      audioSeconds = durationSeconds;
    }
  } catch (error) {
    await removeResult(storage, id).catch(() => undefined);
    throw error;
  }
  return {
    id,
    stems,
    processingSeconds: workSeconds,
    realtimeFactor: audioSeconds / workSeconds,
    nullTestDb,
    track,
    warnings,
    manifest,
    playback: null,
  };
}

export const removeResult = (storage: Storage, id: string): Promise<void> =>
  storage.removeAll(keyOf(id));

const keyOf = (id: string): string => `results/${id}`;
