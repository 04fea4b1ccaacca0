/**
 * A file's audio as interleaved float32, at the rate and channel count of a model.
 */
import { OxboardError } from '../errors.js';
import { FfmpegFailure, inputArguments, runFfmpeg } from './ffmpeg.js';
import { pcmBlocks, type PcmFormat } from './pcm.js';
import { notAudio, type ProbedInput } from './probe.js';

/**
 * Settings of ffmpeg's own resampler, which every ffmpeg has (soxr is a build option). A sine comes
 * out with its error 129 dB below it; the default settings reach 47 dB near the band's edge.
 */
export const resampler = (sampleRate: number): string =>
  `aresample=${String(sampleRate)}:filter_size=128:filter_type=kaiser:kaiser_beta=12:cutoff=0.97`;

/**
 * Decodes as a stream: one block of whole frames at a time, each reused for the next.
 *
 * @throws OxboardError INPUT_NOT_AUDIO, FFMPEG_MISSING; `signal.reason`.
 */
export async function* decode(
  input: ProbedInput,
  target: PcmFormat,
  signal?: AbortSignal,
): AsyncGenerator<Float32Array, void, undefined> {
  const output = runFfmpeg({
    args: [
      ...inputArguments(input.path),
      '-map', '0:a:0',
      '-af', filters(input, target).join(','),
      '-c:a', 'pcm_f32le', '-f', 'f32le', 'pipe:1',
    ], // prettier-ignore
    signal,
  });
  try {
    yield* pcmBlocks(output, target.channelCount);
  } catch (error) {
    throw error instanceof FfmpegFailure ? notAudio(input.path, error.reason) : error;
  }
}

/** Float from the start: a mix of integers would be rounded before it is resampled. */
function filters(input: ProbedInput, target: PcmFormat): string[] {
  return [
    'aformat=sample_fmts=fltp',
    ...downmix(input, target.channelCount),
    ...(input.sampleRate === target.sampleRate ? [] : [resampler(target.sampleRate)]),
    'aformat=sample_fmts=flt',
  ];
}

/**
 * ffmpeg's own rules are right for a known layout of many channels (the centre goes to both sides,
 * the low-frequency channel is left out). Mono it would lower by 3 dB, and channels of unknown
 * places it refuses.
 */
function downmix(input: ProbedInput, channelCount: number): string[] {
  if (input.channelCount === channelCount) return [];
  const layout = { 1: 'mono', 2: 'stereo' }[channelCount];
  if (!layout) {
    throw new OxboardError(
      'INVALID_OPTION',
      `Files are separated by models of 1 or 2 channels; this one has ${String(channelCount)}`,
    );
  }
  if (input.channelCount === 1) return ['pan=stereo|c0=c0|c1=c0'];
  if (input.channelLayout) return [`aformat=channel_layouts=${layout}`];

  const places = Array.from({ length: input.channelCount }, (_, index) => index);
  const mixOf = (indices: number[]) => indices.map((index) => `c${String(index)}`).join('+');
  return channelCount === 1
    ? [`pan=mono|c0<${mixOf(places)}`]
    : [
        `pan=stereo|c0<${mixOf(places.filter((place) => place % 2 === 0))}` +
          `|c1<${mixOf(places.filter((place) => place % 2 === 1))}`,
      ];
}
