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
 * Containers and elementary streams that hold audio themselves. Playlists (hls, concat, dash) are
 * left out on purpose: a text named song.mp3 could make ffmpeg read other files or call URLs, and a
 * protocol whitelist alone does not prevent that.
 */
const INPUT_FORMATS = [
  'aac', 'ac3', 'aiff', 'amr', 'ape', 'asf', 'au', 'avi', 'caf', 'dsf', 'dts', 'eac3', 'flac',
  'flv', 'matroska', 'webm', 'mov', 'mp4', 'm4a', '3gp', '3g2', 'mj2', 'mp3', 'mpeg', 'mpegts',
  'mpc', 'mpc8', 'ogg', 'tak', 'tta', 'w64', 'wav', 'wv',
]; // prettier-ignore

/** How much of what ffmpeg says is kept: its last words explain a failure. */
const STDERR_LIMIT = 16_384;

/** A path as ffmpeg must get it: neither an option, nor a pattern, nor a protocol of its own. */
export const fileUrl = (file: string): string => `file:${path.resolve(file)}`;

/** Arguments that open `file` as an input and nothing else through it. */
export function inputArguments(file: string): string[] {
  return [
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
  signal?: AbortSignal | undefined;
}

/**
 * Runs ffmpeg and gives its standard output as it comes; the process waits while nobody reads. It
 * is killed when the signal aborts or the reader stops.
 *
 * @throws FfmpegFailure when it ends with an error, OxboardError FFMPEG_MISSING, `signal.reason`.
 */
export async function* runFfmpeg(run: FfmpegRun): AsyncGenerator<Uint8Array, void, undefined> {
  const { tool = 'ffmpeg', args, input, background, signal } = run;
  signal?.throwIfAborted();
  const child = spawn(
    tool,
    [...(tool === 'ffmpeg' ? ['-nostdin'] : []), '-hide_banner', '-v', 'error', ...args],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
      // In a process group of its own, so that Ctrl-C in a terminal reaches us alone: an ffmpeg that
      // ends by itself looks like a broken file.
      detached: true,
    },
  );
  const kill = () => void child.kill('SIGKILL');
  signal?.addEventListener('abort', kill, { once: true });

  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_LIMIT);
  });
  const closed = once(child, 'close') as Promise<[number | null]>;
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
    const [status] = await closed;
    signal?.throwIfAborted();
    await fed;
    const diskFull = stderr.includes('No space left on device');
    if (status !== 0 || diskFull) throw new FfmpegFailure(boilDown(stderr), diskFull);
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

function missing(tool: string): OxboardError {
  const byHand = process.platform === 'darwin' ? 'brew install ffmpeg' : 'apt-get install ffmpeg';
  return new OxboardError(
    'FFMPEG_MISSING',
    `${tool} was not found on the PATH. Install it with: npx oxboard setup (or: ${byHand})`,
  );
}

/** The last line of what ffmpeg said, without addresses and file names. */
function boilDown(stderr: string): string {
  const lines = stderr
    .split('\n')
    .map((line) => line.replace(/^(\[[^\]]*\] ?)+/, '').trim())
    .filter((line) => line !== '');
  const last = lines.at(-1) ?? 'ffmpeg gave no reason';
  return last.startsWith('file:') ? last.slice(last.lastIndexOf(': ') + 2) : last;
}
