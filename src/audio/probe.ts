/**
 * What a file is, before any of it is decoded.
 */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { z } from 'zod';
import { OxboardError } from '../errors.js';
import { displayPath } from '../lib/display-path.js';
import { FfmpegFailure, ffmpegText, inputArguments, runFfmpeg } from './ffmpeg.js';
import { pcmBlocks, peakOf } from './pcm.js';

/** More channels than this ffmpeg cannot mix. */
const MAX_CHANNELS = 64;
/** Containers of plain samples: ffprobe counts the bytes, so without a duration there are none. */
const PLAIN_CONTAINERS = ['wav', 'w64', 'aiff', 'au'];

/** The first audio stream of a file. Cover art is a video stream and is passed over. */
export interface ProbedInput {
  path: string;
  container: string;
  codec: string;
  sampleRate: number;
  channelCount: number;
  /** ffmpeg's name of the channel layout, when the file tells it. */
  channelLayout?: string | undefined;
  /** What the file says of its length. It may be wrong or missing; only decoding tells. */
  durationSeconds?: number | undefined;
  /** Sample frames, where the file counts them. As little to be relied on as the duration. */
  frames?: number | undefined;
  /** Tags with names in lower case. */
  tags: Record<string, string>;
  /** The first picture that is attached as cover art. */
  cover?: { index: number; codec: string; width: number; height: number } | undefined;
}

const tags = z
  .record(z.string(), z.string())
  .optional()
  .transform((all) =>
    Object.fromEntries(Object.entries(all ?? {}).map(([name, text]) => [name.toLowerCase(), text])),
  );
const seconds = z.coerce.number().positive().optional().catch(undefined);
const size = z.int().positive().max(65_535);
const audioStream = z.object({
  codec_type: z.literal('audio'),
  codec_name: z.string().default('unknown'),
  sample_rate: z.coerce.number().int().positive(),
  channels: z.number().int().positive(),
  channel_layout: z.string().optional(),
  duration: seconds,
  duration_ts: z.int().positive().optional().catch(undefined),
  time_base: z.string().optional(),
  tags,
});
const coverStream = z.object({
  index: z.int(),
  codec_type: z.literal('video'),
  codec_name: z.string(),
  width: size,
  height: size,
  disposition: z.object({ attached_pic: z.literal(1) }),
});
const report = z.object({
  streams: z.array(z.looseObject({ codec_type: z.string().optional() })),
  format: z.object({ format_name: z.string(), duration: seconds, tags }),
});

/**
 * @throws OxboardError INPUT_NOT_FOUND, INPUT_NOT_A_FILE, INPUT_UNREADABLE, INPUT_EMPTY,
 * INPUT_NOT_AUDIO or FFMPEG_MISSING.
 */
export async function probe(file: string, signal?: AbortSignal): Promise<ProbedInput> {
  await checkFile(file);
  const text = await ffmpegText({
    tool: 'ffprobe',
    args: [
      ...inputArguments(file),
      '-show_streams', '-show_format', '-of', 'json',
    ], // prettier-ignore
    signal,
  }).catch((error: unknown) => {
    throw error instanceof FfmpegFailure ? notAudio(file, error.reason) : error;
  });

  const parsed = report.safeParse(JSON.parse(text));
  if (!parsed.success) throw notAudio(file, 'it has no streams');
  const { streams, format } = parsed.data;
  const first = streams.find(({ codec_type: type }) => type === 'audio');
  if (!first) throw notAudio(file, 'it has no audio stream');
  const audio = audioStream.safeParse(first);
  if (!audio.success) throw notAudio(file, 'it has no usable audio stream');
  const stream = audio.data;
  if (stream.channels > MAX_CHANNELS) {
    throw notAudio(
      file,
      `it has ${String(stream.channels)} channels; up to ${String(MAX_CHANNELS)} can be read`,
    );
  }
  const plain =
    PLAIN_CONTAINERS.includes(format.format_name) && stream.codec_name.startsWith('pcm_');
  if (plain && stream.duration === undefined) throw emptyInput(file);
  const [cover] = streams.flatMap((candidate) => coverStream.safeParse(candidate).data ?? []);
  return {
    path: file,
    container: format.format_name,
    codec: stream.codec_name,
    sampleRate: stream.sample_rate,
    channelCount: stream.channels,
    channelLayout: stream.channel_layout === 'unknown' ? undefined : stream.channel_layout,
    durationSeconds: stream.duration ?? format.duration,
    frames: stream.time_base === `1/${String(stream.sample_rate)}` ? stream.duration_ts : undefined,
    // Only Ogg keeps the song's tags with the stream; elsewhere a stream has a title of its own.
    tags: { ...stream.tags, ...format.tags },
    cover: cover && {
      index: cover.index,
      codec: cover.codec_name,
      width: cover.width,
      height: cover.height,
    },
  };
}

/**
 * Decodes a file of floating-point samples, the only kind that can hold NaN and Inf. Any other kind
 * is not read.
 *
 * @throws OxboardError INPUT_NOT_FINITE, INPUT_NOT_AUDIO or FFMPEG_MISSING; `signal.reason`.
 */
export async function checkFinite(input: ProbedInput, signal?: AbortSignal): Promise<void> {
  if (!/^pcm_f\d/.test(input.codec)) return;
  const bytes = runFfmpeg({
    args: [
      ...inputArguments(input.path),
      '-map', '0:a:0', '-c:a', 'pcm_f32le', '-f', 'f32le', 'pipe:1',
    ], // prettier-ignore
    signal,
  });
  try {
    for await (const block of pcmBlocks(bytes, input.channelCount)) {
      if (Number.isFinite(peakOf(block))) continue;
      throw new OxboardError(
        'INPUT_NOT_FINITE',
        `${displayPath(input.path)} holds NaN or Inf. Repair it, for example by converting it to 16 bit`,
      );
    }
  } catch (error) {
    throw error instanceof FfmpegFailure ? notAudio(input.path, error.reason) : error;
  }
}

export function notAudio(file: string, reason: string): OxboardError {
  return new OxboardError(
    'INPUT_NOT_AUDIO',
    `${displayPath(file)} cannot be decoded as audio (${reason})`,
  );
}

export function emptyInput(file: string): OxboardError {
  return new OxboardError('INPUT_EMPTY', `${displayPath(file)} holds no audio: it is empty`);
}

/** @param maxSeconds the limit that the audio exceeds. */
export function tooLong(maxSeconds: number): OxboardError {
  return new OxboardError(
    'AUDIO_TOO_LONG',
    `The audio is longer than the ${String(maxSeconds)} seconds that are accepted`,
  );
}

/** A FIFO would hang ffmpeg, and only the file system can tell one failure from another. */
async function checkFile(file: string): Promise<void> {
  const shown = displayPath(file);
  const refuse = (error: unknown): never => {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason';
    if (code === 'ENOENT' && file.includes('\uFFFD')) {
      throw new OxboardError(
        'INPUT_UNREADABLE',
        `${shown} cannot be named: the name has bytes that are not UTF-8. Rename it`,
      );
    }
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new OxboardError('INPUT_NOT_FOUND', `There is no file ${shown}`);
    }
    const reason = code === 'EACCES' ? 'permission denied' : code;
    throw new OxboardError('INPUT_UNREADABLE', `${shown} cannot be read (${reason})`);
  };
  // The null character cannot be part of a path; Node throws before it asks the file system.
  if (file.includes('\0')) throw new OxboardError('INPUT_NOT_FOUND', `There is no file ${shown}`);
  const status = await stat(file).catch(refuse);
  if (!status.isFile()) {
    const kind = status.isDirectory()
      ? 'a folder'
      : status.isFIFO()
        ? 'a pipe'
        : 'a device or socket';
    throw new OxboardError('INPUT_NOT_A_FILE', `${shown} is ${kind}, not an audio file`);
  }
  await access(file, constants.R_OK).catch(refuse);
  if (status.size === 0) throw emptyInput(file);
}
