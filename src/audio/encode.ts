/**
 * A stem's spool as an audio file.
 */
import { rm, stat } from 'node:fs/promises';
import { OxboardError } from '../errors.js';
import { clipper, type ClipMode } from './clip.js';
import { resampler } from './decode.js';
import { ffmpegFile, FfmpegFailure, fileUrl, runFfmpeg } from './ffmpeg.js';
import { BYTES_PER_SAMPLE_OF, encodedSize, type Encoding } from './formats.js';
import { bytesOf, isSilent, pcmBlocks } from './pcm.js';
import { quantiser } from './quantise.js';
import { spoolBlocks, type Spool } from './spool.js';
import { tagArguments, type StemTags } from './tags.js';

/** What the 32-bit length of a plain WAV header can tell. */
const LONGEST_WAV_BYTES = 2 ** 32 - 1;

export interface EncodedFile {
  sampleRate: number;
  channels: number;
  frames: number;
  sizeBytes: number;
  /** The factor by which `rescale` lowered the stem. */
  gain: number;
}

export interface EncodeOptions {
  clipMode: ClipMode;
  /** The largest absolute sample that counts for the gain; that of the stem if not given. */
  peak?: number;
  tags?: StemTags | undefined;
  /** Chooses the noise of the dither. */
  ditherSeed?: number;
  signal?: AbortSignal | undefined;
}

/**
 * Encodes `spool`, whose rate is the encoding's, into `file`.
 *
 * @throws OxboardError ENCODE_FAILED, FFMPEG_MISSING; FfmpegFailure when the disk is full;
 * `signal.reason`.
 */
export async function encode(
  spool: Spool,
  file: string,
  encoding: Encoding,
  { clipMode, peak = spool.peak, tags = { texts: {} }, ditherSeed = 0, signal }: EncodeOptions,
): Promise<EncodedFile> {
  const { sampleRate, channelCount, frames } = spool;
  const { gain, apply } = clipper(clipMode, peak);
  const quantise = quantiser(encoding.sampleFormat, ditherSeed);
  const bytesPerSample = BYTES_PER_SAMPLE_OF[encoding.sampleFormat];
  async function* bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const samples of spool.samples(signal)) {
      if (isSilent(samples)) {
        yield new Uint8Array(samples.length * bytesPerSample);
      } else {
        apply(samples);
        yield quantise(samples);
      }
    }
  }

  const texts = `${file}.tags`;
  const { inputs, outputs } = await tagArguments(tags, encoding, texts, 1);
  await ffmpegFile({
    args: [
      ...rawInput(encoding.sampleFormat, sampleRate, channelCount), ...inputs,
      ...outputs,
      // The same input gives the same bytes: no version of ffmpeg in the header.
      '-fflags', '+bitexact', '-flags:a', '+bitexact',
      // Without it ffmpeg ends well even when the last write failed.
      '-xerror',
      ...encoding.arguments, ...header(spool, encoding), fileUrl(file),
    ], // prettier-ignore
    input: bytes(),
    signal,
  }).catch((error: unknown) => {
    throw encodeError(error, encoding);
  });
  await rm(texts);
  const { size } = await stat(file);
  return { sampleRate, channels: channelCount, frames, sizeBytes: size, gain };
}

/**
 * The spool at another sample rate, as a new spool in `file`; the same one if nothing changes.
 *
 * @param frames the exact length of the result: resampling there and back can add or take a frame.
 */
export async function resample(
  spool: Spool,
  sampleRate: number,
  file: string,
  { frames, signal }: { frames?: number | undefined; signal?: AbortSignal | undefined } = {},
): Promise<Spool> {
  if (spool.sampleRate === sampleRate) return spool;
  const { channelCount } = spool;
  async function* bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const samples of spool.samples(signal)) yield bytesOf(samples);
  }
  const cut =
    frames === undefined
      ? []
      : [`apad=whole_len=${String(frames)}`, `atrim=end_sample=${String(frames)}`];
  const output = runFfmpeg({
    args: [
      ...rawInput('f32le', spool.sampleRate, channelCount),
      '-af', [resampler(sampleRate), ...cut].join(','), '-c:a', 'pcm_f32le', '-f', 'f32le', 'pipe:1',
    ], // prettier-ignore
    input: bytes(),
    signal,
  });
  return spoolBlocks(file, { sampleRate, channelCount }, pcmBlocks(output, channelCount));
}

/** RF64 only where it must be: some readers stumble over it. */
function header({ frames, sampleRate, channelCount }: Spool, encoding: Encoding): string[] {
  const bytes = encodedSize(encoding, channelCount, frames / sampleRate);
  return encoding.format === 'wav' && bytes > LONGEST_WAV_BYTES ? ['-rf64', 'always'] : [];
}

/** Arguments for raw samples, from standard input or a file. */
export function rawInput(
  format: string,
  sampleRate: number,
  channelCount: number,
  from = 'pipe:0',
): string[] {
  return [
    // With several inputs ffmpeg 5 sleeps 10 ms whenever its queue of eight packets is empty.
    '-thread_queue_size', '0',
    '-f', format, '-ar', String(sampleRate), '-ac', String(channelCount), '-i', from,
  ]; // prettier-ignore
}

function encodeError(error: unknown, encoding: Encoding): unknown {
  if (!(error instanceof FfmpegFailure) || error.diskFull) return error;
  return new OxboardError(
    'ENCODE_FAILED',
    `ffmpeg could not write ${encoding.format} (${error.reason}). Does your ffmpeg have this encoder?`,
    { cause: error },
  );
}
