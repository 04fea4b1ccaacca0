/**
 * From the stems on this machine to a result in the storage.
 */
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import type { FileResult } from '../separation/separate-file.js';
import type { Storage } from '../storage/storage.js';
import type { JobResult, RunningPlayback, StemResult } from '../jobs/job.js';
import { chunkCount } from '../audio/chunk-format.js';
import { resultKey } from '../jobs/record.js';

/**
 * Puts the stems into the storage; all of them, or none.
 *
 * @param playback what was published while they were made; of a song of so many frames.
 * @param workSeconds over all attempts that led to these stems.
 */
export async function storeResult(
  storage: Storage,
  { output, nullTestDb, track, warnings, manifest }: FileResult,
  { resultId, ...playback }: RunningPlayback,
  { frames, workSeconds }: { frames: number; workSeconds: number },
  signal: AbortSignal,
): Promise<JobResult> {
  // A folder that no other attempt has: one that lost its job may still be at work.
  const folder = `${resultKey(resultId)}/${randomUUID()}`;
  const stems: Record<string, StemResult> = {};
  let audioSeconds = 0;
  try {
    for (const [name, stem] of Object.entries(output.stems)) {
      const { format, sizeBytes, durationSeconds, sampleRate, channels, sha256, gain } = stem;
      const key = `${folder}/${name}${path.extname(stem.path)}`;
      await storage.putFile(key, stem.path, signal);
      stems[name] = { key, format, sizeBytes, durationSeconds, sampleRate, channels, sha256, gain };
      audioSeconds = durationSeconds;
    }
  } catch (error) {
    await storage.removeAll(folder).catch(() => undefined);
    throw error;
  }
  return {
    id: resultId,
    stems,
    processingSeconds: workSeconds,
    realtimeFactor: audioSeconds / workSeconds,
    nullTestDb,
    track,
    warnings,
    manifest,
    playback: { ...playback, frames, chunks: chunkCount(frames) },
  };
}

/** Removes the stems of a result that no job has; the chunks may be another attempt's too. */
export async function removeStems(storage: Storage, { stems }: JobResult): Promise<void> {
  for (const { key } of Object.values(stems)) await storage.remove(key);
}
