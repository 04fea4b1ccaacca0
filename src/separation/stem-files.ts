/**
 * From the stems' spools to encoded files in the workspace.
 */
import { CHUNK_FRAMES } from '../audio/chunk-format.js';
import type { ClipMode } from '../audio/clip.js';
import { encode, resample, type EncodedFile } from '../audio/encode.js';
import { encodedSize, type Encoding } from '../audio/formats.js';
import { BYTES_PER_SAMPLE, type PcmFormat } from '../audio/pcm.js';
import { sha256OfFile } from '../lib/hash.js';
import type { Spool } from '../audio/spool.js';
import type { StemTags } from '../audio/tags.js';
import type { Workspace } from './workspace.js';

/** 24 bits; FLAC is hardly ever larger. */
const BYTES_PER_CHUNK_SAMPLE = 3;

export interface EncodedStem extends EncodedFile {
  /** Where it lies in the workspace. */
  file: string;
  sha256: string;
}

export interface EncodeStemsOptions {
  clipMode: ClipMode;
  /** Whether `rescale` has one gain for all stems, so that they still add up to the song. */
  oneGain: boolean;
  /** The tags of each stem. */
  tags: readonly StemTags[];
  /** Sample frames of the stems at the rate of the files, where it is known to the frame. */
  frames?: number | undefined;
  signal?: AbortSignal | undefined;
  onStem?: () => void;
}

/** Encodes all stems at once; they are few, and an encoder runs on one core. */
export async function encodeStems(
  spools: readonly Spool[],
  workspace: Workspace,
  encoding: Encoding,
  { clipMode, oneGain, tags, frames, signal: outer, onStem }: EncodeStemsOptions,
): Promise<EncodedStem[]> {
  const resampled = await together(
    spools.map((spool, index) => (signal: AbortSignal) => {
      const file = workspace.path(`${String(index)}.resampled.f32`);
      return resample(spool, encoding.sampleRate, file, { frames, signal });
    }),
    outer,
  );
  const highest = Math.max(...resampled.map(({ peak }) => peak));
  const jobs = resampled.map(
    (spool, index) =>
      async (signal: AbortSignal): Promise<EncodedStem> => {
        const file = workspace.path(`${String(index)}.${encoding.extension}`);
        const encoded = await encode(spool, file, encoding, {
          clipMode,
          ...(oneGain && { peak: highest }),
          tags: tags[index],
          ditherSeed: index,
          signal,
        });
        const sha256 = await sha256OfFile(file, { signal });
        onStem?.();
        return { ...encoded, file, sha256 };
      },
  );
  return together(jobs, outer);
}

/**
 * The most bytes that stems take on the disk at one time: as spools (twice with checkpoints), as
 * chunks together with the mixture, and then encoded too. The stems of a silent song are silent, and spools of silence take nothing.
 */
export function spaceNeeded(
  stemCount: number,
  encoding: Encoding,
  { sampleRate, channelCount }: PcmFormat,
  {
    seconds,
    silent,
    checkpoints,
    chunks,
  }: { seconds: number; silent: boolean; checkpoints: boolean; chunks: boolean },
): number {
  const spool = (rate: number) => (silent ? 0 : seconds * rate * channelCount * BYTES_PER_SAMPLE);
  const resampled = encoding.sampleRate === sampleRate ? 0 : spool(encoding.sampleRate);
  const encoded = encodedSize(encoding, channelCount, seconds);
  const kept = checkpoints ? spool(sampleRate) : 0;
  // Those of the whole song, and one as it goes to the encoder.
  const published =
    chunks && !silent
      ? (seconds * sampleRate * BYTES_PER_CHUNK_SAMPLE + CHUNK_FRAMES * BYTES_PER_SAMPLE) *
        channelCount
      : 0;
  return stemCount * (spool(sampleRate) + kept + resampled + encoded) + (stemCount + 1) * published;
}

/** Runs jobs at once. When one fails the others are stopped and waited for: none may write on. */
async function together<T>(
  jobs: readonly ((signal: AbortSignal) => Promise<T>)[],
  signal?: AbortSignal,
): Promise<T[]> {
  signal?.throwIfAborted();
  const group = new AbortController();
  const stop = () => {
    group.abort(signal?.reason);
  };
  signal?.addEventListener('abort', stop, { once: true });
  const running = jobs.map((job) => job(group.signal));
  try {
    return await Promise.all(running);
  } catch (error) {
    group.abort(error);
    await Promise.allSettled(running);
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}
