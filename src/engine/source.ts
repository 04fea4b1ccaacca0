/**
 * Checks what a caller gives as a source and adapts it to the channels of the model.
 */
import { invalidOption } from '../options.js';
import type { ModelDescription } from '../models/archive.js';
import type { AudioArrays, AudioSource } from '../source.js';

const BLOCK_FRAMES = 65_536;

function isArrays(source: AudioArrays | AudioSource): source is AudioArrays {
  return 'channels' in source;
}

function fromArrays({ sampleRate, channels }: AudioArrays): AudioSource {
  const given: unknown = channels;
  if (!Array.isArray(given) || given.length === 0) {
    throw invalidOption('channels', 'non-empty array of Float32Array', given);
  }
  for (const channel of given as unknown[]) {
    if (!(channel instanceof Float32Array)) {
      throw invalidOption('channels', 'array of Float32Array', channel);
    }
  }
  const frames = channels[0]?.length ?? 0;
  if (channels.some((channel) => channel.length !== frames)) {
    throw invalidOption('channels', 'arrays of the same length', given);
  }
  return {
    sampleRate,
    channelCount: channels.length,
    // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous
    async *blocks() {
      for (let start = 0; start < frames; start += BLOCK_FRAMES) {
        yield channels.map((channel) => channel.subarray(start, start + BLOCK_FRAMES));
      }
    },
  };
}

/**
 * A source with as many channels as the model takes: mono is given to every channel.
 *
 * @throws OxboardError INVALID_OPTION for another sample rate or an unfit number of channels.
 */
export function openSource(
  given: AudioArrays | AudioSource,
  model: Pick<ModelDescription, 'name' | 'sampleRate' | 'channels'>,
): AudioSource {
  if (typeof given !== 'object' || (given as unknown) === null) {
    throw invalidOption('source', '{ sampleRate, channels } or an AudioSource', given);
  }
  const source = isArrays(given) ? fromArrays(given) : given;
  if (source.sampleRate !== model.sampleRate) {
    throw invalidOption(
      'sampleRate',
      `${String(model.sampleRate)} (that of ${model.name}; resample first)`,
      source.sampleRate,
    );
  }
  if (source.channelCount === model.channels) return source;
  if (source.channelCount !== 1) {
    throw invalidOption('channels', `1 or ${String(model.channels)} channels`, source.channelCount);
  }
  return {
    sampleRate: source.sampleRate,
    channelCount: model.channels,
    async *blocks(signal) {
      for await (const [mono] of source.blocks(signal)) {
        if (mono) yield Array.from({ length: model.channels }, () => mono);
      }
    },
  };
}
