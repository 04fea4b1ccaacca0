/**
 * Chunks of stems as FLAC, and the peaks of their samples.
 */
import { BYTES_PER_PIXEL, CHUNK_SCALE, FRAMES_PER_PIXEL } from './chunk-format.js';
import { rawInput } from './encode.js';
import { ffmpegFile, fileUrl } from './ffmpeg.js';
import type { PcmFormat } from './pcm.js';
import { quantiser } from './quantise.js';

const toBytes = quantiser('s32le', 0);

/**
 * Interleaved samples, at {@link CHUNK_SCALE}, as {@link encodeChunks} reads them.
 *
 * @param samples are changed.
 */
export function chunkBytes(samples: Float32Array): Uint8Array {
  for (let at = 0; at < samples.length; at++) samples[at] = (samples[at] as number) * CHUNK_SCALE;
  return toBytes(samples);
}

/**
 * Encodes files of {@link chunkBytes} as 24-bit FLAC, in one process that gives way to others: starting
 * ffmpeg takes more time than encoding a chunk.
 *
 * @throws FfmpegFailure; OxboardError FFMPEG_MISSING; `signal.reason`.
 */
export async function encodeChunks(
  files: readonly { from: string; to: string }[],
  { sampleRate, channelCount }: PcmFormat,
  signal: AbortSignal,
): Promise<void> {
  await ffmpegFile({
    args: [
      '-fflags', '+bitexact', '-xerror',
      ...files.flatMap(({ from }) => rawInput('s32le', sampleRate, channelCount, fileUrl(from))),
      ...files.flatMap(({ to }, index) => [
        '-map', String(index), '-fflags', '+bitexact', '-flags:a', '+bitexact', '-c:a', 'flac',
        '-sample_fmt', 's32', '-bits_per_raw_sample', '24', '-f', 'flac', fileUrl(to),
      ]),
    ], // prettier-ignore
    background: true,
    signal,
  });
}

/**
 * Lowest and highest sample of each pixel over all channels, at {@link CHUNK_SCALE}, as signed bytes.
 *
 * @param samples interleaved, from the first frame of a pixel on.
 */
export function peaksOf(samples: Float32Array, channelCount: number): Int8Array {
  const pixelSamples = FRAMES_PER_PIXEL * channelCount;
  const peaks = new Int8Array(Math.ceil(samples.length / pixelSamples) * BYTES_PER_PIXEL);
  for (let pixel = 0; pixel * pixelSamples < samples.length; pixel++) {
    const end = Math.min((pixel + 1) * pixelSamples, samples.length);
    let lowest = Infinity;
    let highest = -Infinity;
    for (let at = pixel * pixelSamples; at < end; at++) {
      const sample = samples[at] as number;
      if (sample < lowest) lowest = sample;
      if (sample > highest) highest = sample;
    }
    peaks[pixel * BYTES_PER_PIXEL] = byteOf(lowest);
    peaks[pixel * BYTES_PER_PIXEL + 1] = byteOf(highest);
  }
  return peaks;
}

const byteOf = (sample: number): number =>
  Math.max(-128, Math.min(127, Math.round(sample * CHUNK_SCALE * 128)));
