/**
 * The first pass over a song: length, mean and deviation, as demucs.api.Separator normalises with
 * them, in constant memory.
 */
import { OxboardError } from '../errors.js';
import type { AudioSource } from './audio-source.js';

export interface SongStatistics {
  /** Sample frames. */
  frames: number;
  /** Of the mean over channels. */
  mean: number;
  /** Of the mean over channels, unbiased (N-1); 0 for a single frame. */
  deviation: number;
  /** Whether every sample is zero. */
  silent: boolean;
}

/**
 * Reads `source` once.
 *
 * Sums run per block around the mean of that block and are merged by the parallel form of
 * Welford's method (Chan et al. 1979), so that a long song loses no digits.
 *
 * @throws OxboardError INPUT_EMPTY, INPUT_NOT_FINITE naming the place.
 */
export async function measureSource(
  source: AudioSource,
  signal?: AbortSignal,
): Promise<SongStatistics> {
  let frames = 0;
  let mean = 0;
  let squares = 0; // sum of squared distances from the mean
  let peak = 0;
  for await (const channels of source.blocks(signal)) {
    const count = channels[0]?.length ?? 0;
    if (count === 0) continue;
    const reference = new Float64Array(count);
    for (const channel of channels) {
      for (let i = 0; i < count; i += 1) {
        const sample = channel[i] ?? NaN;
        reference[i] = (reference[i] ?? 0) + sample;
        peak = Math.max(peak, Math.abs(sample));
      }
    }
    // Math.max keeps NaN, so one look at the block's end is enough.
    if (!Number.isFinite(peak)) throw notFinite(channels, frames, source.sampleRate);

    let sum = 0;
    for (const value of reference) sum += value;
    const blockMean = sum / count / channels.length;
    let blockSquares = 0;
    for (const value of reference) blockSquares += (value / channels.length - blockMean) ** 2;

    const delta = blockMean - mean;
    const total = frames + count;
    mean += (delta * count) / total;
    squares += blockSquares + (delta * delta * frames * count) / total;
    frames = total;
  }
  if (frames === 0) throw new OxboardError('INPUT_EMPTY', 'The audio holds no samples');
  const deviation = frames > 1 ? Math.sqrt(squares / (frames - 1)) : 0;
  return { frames, mean, deviation, silent: peak === 0 };
}

function notFinite(
  channels: readonly Float32Array[],
  framesBefore: number,
  sampleRate: number,
): OxboardError {
  const index = Math.min(
    ...channels
      .map((channel) => channel.findIndex((sample) => !Number.isFinite(sample)))
      .filter((position) => position >= 0),
  );
  const frame = framesBefore + index;
  return new OxboardError(
    'INPUT_NOT_FINITE',
    `The audio holds NaN or Inf at frame ${String(frame)} (${(frame / sampleRate).toFixed(2)} s). ` +
      'Repair the file, for example by converting it to 16 bit',
  );
}
