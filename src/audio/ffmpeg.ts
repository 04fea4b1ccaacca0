/**
 * The only place that starts ffmpeg and ffprobe.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, setPriority } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { OxboardError } from '../errors.js';

/**
 * Containers and elementary streams that hold audio themselves and are known by their bytes. Left
 * out on purpose: playlists (hls, concat, dash, imf) and formats of several files (vobsub, image2),
 * since a text named song.mp3 could make ffmpeg read other files or call URLs, and a protocol
 * whitelist alone does not prevent that; devices and networks; music that is computed (libgme,
 * libopenmpt), which never ends; raw samples without a header, which any file could be.
 */
const INPUT_FORMATS = [
  'aac', 'ac3', 'act', 'adx', 'aea', 'aiff', 'amr', 'ape', 'aptx', 'asf', 'asf_o', 'ast', 'au', 'avi',
  'avr', 'bfstm', 'bit', 'brstm', 'caf', 'dsf', 'dss', 'dts', 'dtshd', 'dv', 'eac3', 'epaf', 'flac',
  'flv', 'gxf', 'hca', 'hcom', 'iff', 'ilbc', 'ircam', 'iss', 'kux', 'live_flv', 'loas', 'lvf', 'lxf',
  'matroska', 'webm', 'mlp', 'mmf', 'mov', 'mp4', 'm4a', '3gp', '3g2', 'mj2', 'mp3', 'mpc', 'mpc8',
  'mpeg', 'mpegts', 'mxf', 'nistsphere', 'nsv', 'nut', 'ogg', 'oma', 'paf', 'pva', 'pvf', 'qcp', 'rm',
  'rso', 'sds', 'shn', 'siff', 'smjpeg', 'sox', 'spdif', 'swf', 'tak', 'truehd', 'tta', 'ty', 'vivo',
  'voc', 'vqf', 'w64', 'wav', 'wsd', 'wtv', 'wv', 'wve', 'xa', 'xwma',
]; // prettier-ignore

/** How much of its complaints is kept: ffmpeg's last words explain a failure. */
const COMPLAINTS_LIMIT = 16_384;
const COMPLAINT = /\[(error|fatal|panic)\] /;
/** In chained Ogg: it looks for the length in the last pages, whose stream begins later. Nothing is lost. */
const HARMLESS = 'failed to create or replace stream';
/** Signals that come from outside, not from a crash. */
const FROM_OUTSIDE: readonly (NodeJS.Signals | null)[] = ['SIGKILL', 'SIGTERM', 'SIGINT'];
/** What ffmpeg ends with after a signal that it handles. */
const SIGNALLED_STATUS = 255;
const LEVEL = /\[(trace|debug|verbose|info|warning|error|fatal|panic)\] /;

/** A path as ffmpeg must get it: neither an option, nor a pattern, nor a protocol of its own. */
export const fileUrl = (file: string): string => `file:${path.resolve(file)}`;

/**
 * Arguments that open `file` as an input and nothing else through it.
 *
 * @param ignoresSize whether a WAV file is read to its end, whatever its header says.
 */
export function inputArguments(file: string, ignoresSize = false): string[] {
  return [
    ...(ignoresSize ? ['-ignore_length', '1'] : []),
    '-protocol_whitelist', 'file,pipe',
    '-format_whitelist', INPUT_FORMATS.join(','),
    '-i', fileUrl(file),
  ]; // prettier-ignore
}

/** ffmpeg or ffprobe ended with an error. Callers turn it into an error about the file at hand. */
export class FfmpegFailure extends Error {
  override readonly name = 'FfmpegFailure';

  constructor(
    /** What went wrong in one line, as ffmpeg says it. */
    readonly reason: string,
    readonly diskFull = false,
    /** The format of the input, where it is one that is not read. */
    readonly refusedFormat?: string,
  ) {
    super(reason);
  }
}

export interface FfmpegRun {
  tool?: 'ffmpeg' | 'ffprobe';
  args: readonly string[];
  /** Bytes for its standard input. */
  input?: AsyncIterable<Uint8Array>;
  /** Runs it at low priority. */
  background?: boolean;
  /** Gets each line of ffmpeg's log, which is then detailed; without it only errors are logged. */
  onLog?: (line: string) => void;
  signal?: AbortSignal | undefined;
}

/**
 * Runs ffmpeg and gives its standard output as it comes; the process waits while nobody reads. It
 * is killed when the signal aborts or the reader stops.
 *
 * @throws FfmpegFailure when it ends with an error; OxboardError FFMPEG_MISSING, or OUT_OF_MEMORY when a
 * signal from outside ended it; `signal.reason`.
 */
export async function* runFfmpeg(run: FfmpegRun): AsyncGenerator<Uint8Array, void, undefined> {
  const { tool = 'ffmpeg', args, input, background, onLog, signal } = run;
  signal?.throwIfAborted();
  const level = onLog ? 'level+verbose' : 'level+error';
  const child = spawn(
    tool,
    [
      ...(tool === 'ffmpeg' ? ['-nostdin', '-nostats'] : []), '-hide_banner', '-v', level, ...args,
    ], // prettier-ignore
    {
      stdio: ['pipe', 'pipe', 'pipe'],
      // In a process group of its own, so that Ctrl-C in a terminal reaches us alone: an ffmpeg that
      // ends by itself looks like a broken file.
      detached: true,
    },
  );
  const kill = () => void child.kill('SIGKILL');
  signal?.addEventListener('abort', kill, { once: true });

  let complaints = '';
  /** The last line that is not of ffmpeg's log: of the loader, when a library is missing. */
  let foreign = '';
  let unfinished = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    const lines = (unfinished + text).split('\n');
    unfinished = lines.pop() ?? '';
    for (const line of lines) {
      onLog?.(line);
      if (!LEVEL.test(line)) foreign = line;
      if (COMPLAINT.test(line)) complaints = `${complaints}${line}\n`.slice(-COMPLAINTS_LIMIT);
    }
  });
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  closed.catch(() => undefined);
  try {
    await once(child, 'spawn').catch((error: unknown) => {
      throw isCode(error, 'ENOENT') ? missing(tool) : error;
    });
    if (background) lowerPriority(child.pid);
    // An early end of ffmpeg breaks the pipe; its exit status then tells more than EPIPE.
    const fed = pipeline(input ?? [], child.stdin).catch((error: unknown) => {
      if (isCode(error, 'EPIPE') || isCode(error, 'ERR_STREAM_PREMATURE_CLOSE')) return;
      kill();
      throw error;
    });
    fed.catch(() => undefined);

    for await (const chunk of child.stdout) yield chunk as Uint8Array;
    const [status, endedBy] = await closed;
    signal?.throwIfAborted();
    await fed;
    if (status === SIGNALLED_STATUS || FROM_OUTSIDE.includes(endedBy)) throw endedFromOutside(tool);
    const diskFull = complaints.includes('No space left on device');
    if (status !== 0 || diskFull) {
      const [, format] =
        /\[(\w+?)(?:_pipe)?[ \]][^\]]*\] \[error\] Format not on whitelist/.exec(complaints) ?? [];
      throw new FfmpegFailure(boilDown(complaints || foreign), diskFull, format);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', kill);
    kill();
  }
}

/** Runs ffmpeg or ffprobe to its end and gives all that it printed. */
export async function ffmpegText(run: FfmpegRun): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of runFfmpeg(run)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** Runs ffmpeg to its end when the result is a file. */
export async function ffmpegFile(run: FfmpegRun): Promise<void> {
  const output = runFfmpeg(run);
  while (!(await output.next()).done);
}

/** A process that has ended already has no priority. */
function lowerPriority(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch (error) {
    if (!isCode(error, 'ERR_SYSTEM_ERROR')) throw error;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}

/** No fault of the file, so no FfmpegFailure. */
function endedFromOutside(tool: string): OxboardError {
  return new OxboardError(
    'OUT_OF_MEMORY',
    `Something ended ${tool}, as systems do when memory is short. Try again, with more free memory`,
  );
}

function missing(tool: string): OxboardError {
  const byHand = process.platform === 'darwin' ? 'brew install ffmpeg' : 'apt-get install ffmpeg';
  return new OxboardError(
    'FFMPEG_MISSING',
    `${tool} was not found on the PATH. Install it with: npx oxboard setup (or: ${byHand})`,
  );
}

/** A line of the log without its prefixes, which name the part of ffmpeg, its address and the level. */
const withoutPrefix = (line: string): string => line.replace(/^(\[[^\]]*\] ?)+/, '').trim();

/** The complaint in a line of the log, without prefixes; undefined when the line is none. */
export const complaintOf = (line: string): string | undefined =>
  COMPLAINT.test(line) && !line.includes(HARMLESS) ? withoutPrefix(line) : undefined;

/** The last complaint, without addresses and file names. */
function boilDown(complaints: string): string {
  const lines = complaints.split('\n').map(withoutPrefix).filter(Boolean);
  const last = lines.at(-1) ?? 'ffmpeg gave no reason';
  return last.startsWith('file:') ? last.slice(last.lastIndexOf(': ') + 2) : last;
}
