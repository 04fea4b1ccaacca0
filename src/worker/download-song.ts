/**
 * From a link to a song in the storage: one try.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { writeError } from '../audio/write-errors.js';
import { probe } from '../audio/probe.js';
import { OxboardError } from '../errors.js';
import type { Logger } from '../observability/logger.js';
import type { Storage } from '../storage/storage.js';
import type { DownloadedSong } from '../jobs/ports.js';
import { downloadsOf } from '../jobs/record.js';
import { unlessAborted } from '../lib/timeout.js';
import { isOutage } from './failures.js';
import { withRetries, type Patience } from './patience.js';

/** Gets what a link leads to; see fetchSong. */
export type SongFetcher = (
  url: string,
  options: { directory: string; signal: AbortSignal; onProgress: (fraction: number) => void },
) => Promise<{ path: string; name: string }>;

/** @throws OxboardError; `signal.reason`. Nothing is left behind. */
export async function downloadSong(
  context: {
    storage: Storage;
    fetchSong: SongFetcher;
    directory: string;
    /** With what is to be stored. */
    patience: Patience;
    logger: Logger;
  },
  {
    jobId,
    url,
    checkLength,
    signal,
    onProgress,
  }: {
    jobId: string;
    url: string;
    /** Throws when the song is longer than is accepted. */
    checkLength: (seconds: number) => void;
    signal: AbortSignal;
    onProgress: (fraction: number) => void;
  },
): Promise<DownloadedSong> {
  let directory: string | undefined;
  onProgress(0);
  try {
    await mkdir(context.directory, { recursive: true });
    directory = await mkdtemp(path.join(context.directory, 'song-'));
    // What cannot be kept is not asked for, again and again.
    await unlessAborted(signal, context.storage.check());
    const song = await context.fetchSong(url, { directory, signal, onProgress });
    const durationSeconds = await lengthOf(song.path, signal);
    if (durationSeconds !== null) checkLength(durationSeconds);
    const { size: sizeBytes } = await stat(song.path);
    const hash = createHash('sha256');
    await pipeline(createReadStream(song.path), hash, { signal });
    // A name that no other attempt has: of two, the one that is believed dead may end last.
    const key = `${downloadsOf(jobId)}/${randomUUID()}`;
    await withRetries(() => context.storage.putFile(key, song.path, signal), {
      patience: context.patience,
      mayPass: isOutage,
      onRetry: (error) => context.logger.warn('song_not_stored', { error }),
      signal,
    });
    return { key, name: song.name, sha256: hash.digest('hex'), sizeBytes, durationSeconds };
  } catch (error) {
    signal.throwIfAborted();
    throw writeError(error, context.directory);
  } finally {
    if (directory)
      await rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  }
}

async function lengthOf(file: string, signal: AbortSignal): Promise<number | null> {
  try {
    return (await probe(file, signal)).durationSeconds ?? null;
  } catch (error) {
    if (!(error instanceof OxboardError) || error.code === 'FFMPEG_MISSING') throw error;
    throw new OxboardError(error.code, 'What is behind the link cannot be decoded as audio', {
      cause: error,
    });
  }
}
