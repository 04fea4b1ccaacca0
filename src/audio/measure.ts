/**
 * How long a file's audio is, from its packets: headers lie, and where there is none ffmpeg guesses
 * from the size. Nothing is decoded, so it takes a fraction of the time.
 */
import { FfmpegFailure, ffmpegText, inputArguments } from './ffmpeg.js';
import { notAudio, type ProbedInput } from './probe.js';

/** The last packet is longer than the sound in it. A header that differs by no more is right. */
const PACKET_SECONDS = 0.2;

/**
 * Seconds from the beginning of the file's time to the end of its audio.
 *
 * @throws OxboardError INPUT_NOT_AUDIO, FFMPEG_MISSING; `signal.reason`.
 */
export async function measureSeconds(input: ProbedInput, signal?: AbortSignal): Promise<number> {
  const report = await ffmpegText({
    args: [
      ...inputArguments(input.path, input.ignoresSize),
      '-map', `0:${String(input.streamIndex)}`, '-c', 'copy',
      '-f', 'null', '-progress', 'pipe:1', '-',
    ], // prettier-ignore
    signal,
  }).catch((error: unknown) => {
    throw error instanceof FfmpegFailure ? notAudio(input.path, error.reason) : error;
  });
  const times = [...report.matchAll(/^out_time_us=(-?\d+)$/gm)];
  const measured = Math.max(Number(times.at(-1)?.[1] ?? 0) / 1e6, 0);
  const stated = input.durationSeconds ?? Infinity;
  return Math.abs(stated - measured) <= PACKET_SECONDS ? stated : measured;
}
