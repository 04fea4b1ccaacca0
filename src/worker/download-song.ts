/**
 * From a link to a song in the storage: one try.
 */
import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { sha256OfFile } from '../lib/hash.js';
import { writeError } from '../audio/write-errors.js';
import { measureSeconds } from '../audio/measure.js';
import { probe } from '../audio/probe.js';
import { OxboardError } from '../errors.js';
import { retry } from '../lib/retry.js';
import { unlessAborted } from '../lib/timeout.js';
import type { Logger } from '../observability/logger.js';
import type { Storage } from '../storage/storage.js';
import type { SongLink } from '../jobs/job.js';
import type { DownloadedSong } from '../jobs/ports.js';
import { downloadsOf } from '../jobs/record.js';
import { isOutage } from './failures.js';
import { inFolder } from './work-folder.js';

/** Gets what a link leads to; see fetchSong and fetchFile. */
export type SongFetcher = (
  link: SongLink,
  options: { directory: string; signal: AbortSignal; onProgress: (fraction: number) => void },
) => Promise<{ path: string; name: string }>;

export interface SongContext {
  storage: Storage;
  fetchSong: SongFetcher;
  /** Where this process works; each try has a folder in it. */
  directory: string;
  /** Milliseconds before each further try to store the song. */
  retryDelaysMs: readonly number[];
  logger: Logger;
}

interface SongRequest {
  jobId: string;
  link: SongLink;
  /** Of the file behind the link; see probe. */
  track: number | undefined;
  /** Throws when the song is longer than is accepted. */
  checkLength: (seconds: number) => void;
  signal: AbortSignal;
  /** @param fraction from 0 to 1. */
  onProgress: (fraction: number) => void;
}

/** @throws OxboardError; `signal.reason`. Nothing is left behind. */
export async function downloadSong(
  context: SongContext,
  request: SongRequest,
): Promise<DownloadedSong> {
  request.onProgress(0);
  try {
    return await inFolder(context.directory, 'song-', (folder) =>
      downloadInto(folder, context, request),
    );
  } catch (error) {
    request.signal.throwIfAborted();
    throw writeError(error, context.directory);
  }
}

async function downloadInto(
  directory: string,
  { storage, fetchSong, retryDelaysMs, logger }: SongContext,
  { jobId, link, track, checkLength, signal, onProgress }: SongRequest,
): Promise<DownloadedSong> {
  // A site is not asked for a song that cannot be stored.
  await unlessAborted(signal, storage.check());
  const song = await fetchSong(link, { directory, signal, onProgress });
  const durationSeconds = await lengthOf(song.path, { track, signal });
  checkLength(durationSeconds);
  const { size: sizeBytes } = await stat(song.path);
  const sha256 = await sha256OfFile(song.path, { signal });
  // A new name for each attempt: one whose worker seems to be dead may still end later.
  const key = `${downloadsOf(jobId)}/${randomUUID()}`;
  await retry(() => storage.putFile(key, song.path, signal), {
    delaysMs: retryDelaysMs,
    isTransient: isOutage,
    onRetry: (error) => logger.warn('song_not_stored', { error }),
    signal,
  });
  return { key, name: song.name, sha256, sizeBytes, durationSeconds };
}

async function lengthOf(
  file: string,
  { track, signal }: { track: number | undefined; signal: AbortSignal },
): Promise<number> {
  try {
    const input = await probe(file, { track, signal });
    return await measureSeconds(input, signal);
  } catch (error) {
    if (!(error instanceof OxboardError) || !error.code.startsWith('INPUT_')) throw error;
    throw new OxboardError(error.code, 'What is behind the link cannot be decoded as audio', {
      cause: error,
    });
  }
}
