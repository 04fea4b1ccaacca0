/**
 * What a file is, before any of it is decoded.
 */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { z } from 'zod';
import { OxboardError } from '../errors.js';
import { displayPath } from '../lib/display-path.js';
import { invalidOption } from '../options.js';
import { FfmpegFailure, ffmpegText, inputArguments, runFfmpeg } from './ffmpeg.js';
import { holdsMoreThanStated } from './wav-size.js';
import { pcmBlocks, peakOf } from './pcm.js';

/** More channels than this ffmpeg cannot mix. */
const MAX_CHANNELS = 64;
/** Containers of plain samples: ffprobe counts the bytes, so without a duration there are none. */
const PLAIN_CONTAINERS = ['wav', 'w64', 'aiff', 'au'];

/** One audio stream of a file. Cover art is a video stream and is passed over. */
export interface ProbedInput {
  path: string;
  /** ffmpeg's name of the file's format, the first where it has several. */
  container: string;
  /** Among all streams. */
  streamIndex: number;
  /** Which of the audio streams it is; undefined when there is one only. */
  track?: AudioTrack | undefined;
  codec: string;
  sampleRate: number;
  channelCount: number;
  /** ffmpeg's name of the channel layout, when the file tells it. */
  channelLayout?: string | undefined;
  /**
   * What the file says of its length. It may be wrong; only decoding tells. Undefined when the file
   * does not say it: what ffmpeg guesses from the size is no measure.
   */
  durationSeconds?: number | undefined;
  /** Whether the file holds more sound than its header states, so that it is read to its end. */
  ignoresSize?: boolean;
  /** Kilobits per second, as far as the file tells. */
  bitRate?: number | undefined;
  /**
   * What is added to ffmpeg's times, so that 0 is where pictures and other sound begin; undefined
   * when there are none, and time begins with this sound.
   */
  startSeconds?: number | undefined;
  /** Sample frames, where the file counts them. As little to be relied on as the duration. */
  frames?: number | undefined;
  /** Tags with names in lower case. */
  tags: Record<string, string>;
  /** The first picture that is attached as cover art. */
  cover?: { index: number; codec: string; width: number; height: number } | undefined;
}

/** One of several audio streams. */
export interface AudioTrack {
  /** From 1. */
  number: number;
  /** How many the file has. */
  count: number;
  codec: string;
  /** As the file tells them. */
  language: string | null;
  title: string | null;
}

export interface ProbeOptions {
  signal?: AbortSignal | undefined;
  /**
   * Which of the audio streams is wanted, from 1. Without it, it is the one that is marked as the
   * default, else the first that can be decoded.
   */
  track?: number | undefined;
}

const tags = z
  .record(z.string(), z.string())
  .optional()
  .transform((all) =>
    Object.fromEntries(Object.entries(all ?? {}).map(([name, text]) => [name.toLowerCase(), text])),
  );
const number = z.coerce.number().optional().catch(undefined);
const positive = z.coerce.number().positive().optional().catch(undefined);
const size = z.int().positive().max(65_535);
const anyStream = z.object({
  index: z.int(),
  codec_type: z.string().optional(),
  codec_name: z.string().default('unknown'),
  start_time: number,
  disposition: z.object({ default: z.int(), attached_pic: z.int() }),
  tags,
});
const audioStream = z.object({
  sample_rate: z.coerce.number().int().positive(),
  channels: z.number().int().positive(),
  channel_layout: z.string().optional(),
  bit_rate: positive,
  duration: positive,
  duration_ts: z.int().positive().optional().catch(undefined),
  time_base: z.string().optional(),
});
const coverStream = z.object({ index: z.int(), codec_name: z.string(), width: size, height: size });
const report = z.object({
  streams: z.array(z.looseObject(anyStream.shape)),
  format: z.object({ format_name: z.string(), start_time: number, duration: positive, tags }),
});
type Report = z.output<typeof report>;
type Stream = Report['streams'][number];

/**
 * @throws OxboardError INPUT_NOT_FOUND, INPUT_NOT_A_FILE, INPUT_UNREADABLE, INPUT_EMPTY,
 * INPUT_NOT_AUDIO or FFMPEG_MISSING; INVALID_OPTION for a track that the file does not have.
 */
export async function probe(
  file: string,
  { signal, track }: ProbeOptions = {},
): Promise<ProbedInput> {
  await checkFile(file);
  const log: string[] = [];
  const text = await ffmpegText({
    tool: 'ffprobe',
    args: [
      ...inputArguments(file),
      '-show_streams', '-show_format', '-of', 'json',
    ], // prettier-ignore
    onLog: (line) => log.push(line),
    signal,
  }).catch((error: unknown) => {
    if (!(error instanceof FfmpegFailure)) throw error;
    const { refusedFormat, reason } = error;
    throw notAudio(
      file,
      refusedFormat === undefined ? reason : `its format "${refusedFormat}" is not accepted`,
    );
  });

  const parsed = report.safeParse(JSON.parse(text));
  if (!parsed.success) throw notAudio(file, 'it has no streams');
  const { streams, format } = parsed.data;
  const heard = streams.filter(({ codec_type: type }) => type === 'audio');
  const chosen = await chooseStream(file, heard, { track, signal });
  const audio = audioStream.safeParse(chosen);
  if (!audio.success) {
    throw notAudio(file, `this ffmpeg cannot decode its audio, "${chosen.codec_name}"`);
  }
  const stream = audio.data;
  if (stream.channels > MAX_CHANNELS) {
    throw notAudio(
      file,
      `it has ${String(stream.channels)} channels; up to ${String(MAX_CHANNELS)} can be read`,
    );
  }
  const container = format.format_name.replace(/,.*/, '');
  const plain =
    PLAIN_CONTAINERS.includes(format.format_name) && chosen.codec_name.startsWith('pcm_');
  if (plain && stream.duration === undefined) throw emptyInput(file);
  const isCover = ({ disposition }: Stream) => disposition.attached_pic === 1;
  const [cover] = streams
    .filter(isCover)
    .flatMap((other) => coverStream.safeParse(other).data ?? []);
  const start = startSeconds(parsed.data, chosen);
  // That of the format may be the pictures'.
  const stated = stream.duration ?? (start === undefined ? format.duration : undefined);
  const ignoresSize = container === 'wav' && (await holdsMoreThanStated(file));
  const guessedLength = log.some((line) => line.includes('Estimating duration from bitrate'));
  return {
    path: file,
    container,
    streamIndex: chosen.index,
    track:
      heard.length === 1
        ? undefined
        : {
            number: heard.indexOf(chosen) + 1,
            count: heard.length,
            codec: chosen.codec_name,
            language: chosen.tags.language ?? null,
            title: chosen.tags.title ?? null,
          },
    codec: chosen.codec_name,
    sampleRate: stream.sample_rate,
    channelCount: stream.channels,
    channelLayout: stream.channel_layout === 'unknown' ? undefined : stream.channel_layout,
    // From the bitrate of plain samples the length is no guess.
    durationSeconds:
      ignoresSize || (guessedLength && !chosen.codec_name.startsWith('pcm_')) ? undefined : stated,
    bitRate: stream.bit_rate && stream.bit_rate / 1000,
    frames:
      !ignoresSize && stream.time_base === `1/${String(stream.sample_rate)}`
        ? stream.duration_ts
        : undefined,
    ignoresSize,
    startSeconds: start,
    // Only Ogg keeps the song's tags with the stream; elsewhere they are those of the track.
    tags: { ...(container === 'ogg' && chosen.tags), ...format.tags },
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
      ...inputArguments(input.path, input.ignoresSize),
      '-map', `0:${String(input.streamIndex)}`, '-c:a', 'pcm_f32le', '-f', 'f32le', 'pipe:1',
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

async function chooseStream(
  file: string,
  heard: readonly Stream[],
  { track, signal }: ProbeOptions,
): Promise<Stream> {
  const [first] = heard;
  if (!first) throw notAudio(file, 'it has no audio stream');
  if (track !== undefined) {
    const wanted = heard[track - 1];
    if (wanted) return wanted;
    const words =
      heard.length === 1 ? '1 (the file has one)' : `integer from 1 to ${String(heard.length)}`;
    throw invalidOption('track', words, track);
  }
  if (heard.length === 1) return first;
  const isDefault = ({ disposition }: Stream) => disposition.default === 1;
  const inOrder = [...heard.filter(isDefault), ...heard.filter((stream) => !isDefault(stream))];
  for (const stream of inOrder) {
    if (audioStream.safeParse(stream).success && (await canDecode(file, stream, signal)))
      return stream;
  }
  throw notAudio(file, `none of its ${String(heard.length)} audio streams can be decoded`);
}

/** Whether its first frame comes out. */
async function canDecode(file: string, { index }: Stream, signal?: AbortSignal): Promise<boolean> {
  try {
    const frame = runFfmpeg({
      args: [
        ...inputArguments(file),
        '-map', `0:${String(index)}`, '-frames:a', '1', '-c:a', 'pcm_f32le', '-f', 'f32le', 'pipe:1',
      ], // prettier-ignore
      signal,
    });
    for await (const bytes of frame) if (bytes.length > 0) return true;
    return false;
  } catch (error) {
    if (error instanceof FfmpegFailure) return false;
    throw error;
  }
}

/** See ProbedInput. A codec's delay may be before 0, where nothing is played. */
function startSeconds({ streams, format }: Report, chosen: Stream): number | undefined {
  const starts = streams
    .filter((stream) => stream !== chosen && stream.disposition.attached_pic !== 1)
    .filter(({ codec_type: type }) => type === 'audio' || type === 'video')
    .flatMap(({ start_time: start }) => (start === undefined ? [] : [Math.max(start, 0)]));
  return starts.length === 0 ? undefined : (format.start_time ?? 0) - Math.min(...starts);
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
