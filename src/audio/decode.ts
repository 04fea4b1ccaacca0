/**
 * A file's audio as interleaved float32, at the rate and channel count of a model, and in the time
 * of the file: silence where it has no sound.
 */
import { OxboardError } from '../errors.js';
import { DamageLog } from './damage.js';
import { FfmpegFailure, inputArguments, runFfmpeg } from './ffmpeg.js';
import { tagBytes } from './gaps.js';
import { BYTES_PER_SAMPLE, pcmBlocks, type PcmFormat } from './pcm.js';
import { notAudio, type ProbedInput } from './probe.js';
import { LOG_FRAMES, Timeline } from './timeline.js';

/**
 * Settings of ffmpeg's own resampler, which every ffmpeg has (soxr is a build option). A sine comes
 * out with its error 129 dB below it; the default settings reach 47 dB near the band's edge.
 */
export const resampler = (sampleRate: number): string =>
  `aresample=${String(sampleRate)}:filter_size=128:filter_type=kaiser:kaiser_beta=12:cutoff=0.97`;

/** Formats without times: ffmpeg counts what it can read. What is damaged is told by its bytes. */
const COUNTED = new Set(['aac', 'ac3', 'amr', 'dts', 'eac3', 'loas', 'mlp', 'mp3', 'truehd']);
/**
 * Formats whose times have no gaps unless something is missing. Ogg is not among them: its pages have
 * checksums, so that ffmpeg complains of damage.
 */
const GAPLESS = new Set([...COUNTED, 'ape', 'asf', 'flac', 'tak', 'tta', 'wv']);

export interface DecodeOptions {
  signal?: AbortSignal | undefined;
  /** Is told what the file has lost. */
  damage?: DamageLog;
}

/**
 * Decodes as a stream: one block of whole frames at a time, each reused for the next.
 *
 * @throws OxboardError INPUT_NOT_AUDIO, FFMPEG_MISSING; `signal.reason`.
 */
export async function* decode(
  input: ProbedInput,
  target: PcmFormat,
  { signal, damage = new DamageLog() }: DecodeOptions = {},
): AsyncGenerator<Float32Array, void, undefined> {
  const { sampleRate, channelCount } = target;
  const frameBytes = channelCount * BYTES_PER_SAMPLE;
  const timeline = new Timeline({
    sampleRate,
    frameBytes,
    startSeconds: input.startSeconds,
    // Others state too little or too much, or their decoders leave the padding out.
    statedFrames:
      input.container === 'mov' && input.frames !== undefined
        ? Math.round((input.frames * sampleRate) / input.sampleRate)
        : undefined,
    gapsAreDamage: GAPLESS.has(input.container),
    otherBytes: COUNTED.has(input.container)
      ? (from, to) => tagBytes(input.path, from, to)
      : undefined,
    // Ogg goes on counting in samples of the old rate.
    losesTime: input.container === 'ogg',
    damage,
  });
  const output = runFfmpeg({
    args: [
      ...inputArguments(input.path, input.ignoresSize),
      '-map', `0:${String(input.streamIndex)}`,
      '-af', filters(input, target).join(','),
      '-c:a', 'pcm_f32le', '-f', 'f32le', 'pipe:1',
    ], // prettier-ignore
    onLog: timeline.log,
    signal,
  });
  try {
    yield* pcmBlocks(timeline.place(output), channelCount);
  } catch (error) {
    throw error instanceof FfmpegFailure ? notAudio(input.path, error.reason) : error;
  }
}

/** Float from the start: a mix of integers would be rounded before it is resampled. */
const filters = (input: ProbedInput, { sampleRate, channelCount }: PcmFormat): string[] => [
  'aformat=sample_fmts=fltp',
  ...mixTo(channelCount, input),
  resampler(sampleRate),
  'aformat=sample_fmts=flt',
  LOG_FRAMES,
];

/**
 * Filters that fit whatever comes: ffmpeg sets them up anew when channels change within a stream.
 * Its own rules are right for known layouts of many channels (the centre goes to both sides, the
 * low-frequency channel is left out); mono it would lower by 3 dB, and a mix of channels of unknown
 * places it refuses.
 */
function mixTo(channelCount: number, input: ProbedInput): string[] {
  if (channelCount !== 1 && channelCount !== 2) {
    throw new OxboardError(
      'INVALID_OPTION',
      `Files are separated by models of 1 or 2 channels; this one has ${String(channelCount)}`,
    );
  }
  if (input.channelCount > 2 && !input.channelLayout) {
    const places = Array.from({ length: input.channelCount }, (_, index) => index);
    const mixOf = (indices: number[]) => indices.map((index) => `c${String(index)}`).join('+');
    return channelCount === 1
      ? [`pan=mono|c0<${mixOf(places)}`]
      : [
          `pan=stereo|c0<${mixOf(places.filter((place) => place % 2 === 0))}` +
            `|c1<${mixOf(places.filter((place) => place % 2 === 1))}`,
        ];
  }
  return [
    // DL and DR are a stereo mix of a broadcast. What a layout does not have, `pan` leaves out.
    'aformat=channel_layouts=mono|stereo|downmix',
    'pan=stereo|FL=FL+FC+DL|FR=FR+FC+DR',
    // ffmpeg's own mix of both sides is 3 dB louder.
    ...(channelCount === 1 ? ['pan=mono|c0=0.5*c0+0.5*c1'] : []),
  ];
}
