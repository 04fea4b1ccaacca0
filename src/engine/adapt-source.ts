/**
 * Checks what a caller gives as a source and adapts it to the channels of the model.
 */
import { setImmediate } from 'node:timers/promises';
import type { ModelDescription } from '../models/archive.js';
import { invalidOption } from '../options.js';
import type { AudioArrays, AudioSource } from './audio-source.js';

const BLOCK_FRAMES = 65_536;

function isArrays(source: AudioArrays | AudioSource): source is AudioArrays {
  return 'channels' in source;
}

/** Throws unless `given` is one Float32Array per channel, all of one length. */
function checkChannels(given: unknown): asserts given is Float32Array[] {
  if (!Array.isArray(given) || given.length === 0) {
    throw invalidOption('channels', 'non-empty array of Float32Array', given);
  }
  const rows: unknown[] = given;
  for (const row of rows) {
    if (!(row instanceof Float32Array)) {
      throw invalidOption('channels', 'array of Float32Array', row);
    }
    if (row.length !== (rows[0] as Float32Array).length) {
      throw invalidOption('channels', 'arrays of the same length', given);
    }
  }
}

function fromArrays({ sampleRate, channels }: AudioArrays): AudioSource {
  checkChannels(channels);
  const frames = channels[0]?.length ?? 0;
  return {
    sampleRate,
    channelCount: channels.length,
    async *blocks() {
      for (let start = 0; start < frames; start += BLOCK_FRAMES) {
        // A loop of resolved promises alone would never let the event loop turn.
        await setImmediate();
        yield channels.map((channel) => channel.subarray(start, start + BLOCK_FRAMES));
      }
    },
  };
}

/**
 * A source with as many channels as the model takes: mono is given to every channel. Its blocks are
 * checked on each reading, because the addon takes their memory as it is. Reading ends with the
 * signal's reason, whether or not `given` heeds the signal.
 *
 * @throws OxboardError INVALID_OPTION for another sample rate or an unfit number of channels, and
 * during a reading for a block that is not one Float32Array per channel, all of one length.
 */
export function adaptSource(
  given: AudioArrays | AudioSource,
  model: Pick<ModelDescription, 'name' | 'sampleRate' | 'channels'>,
): AudioSource {
  const fits =
    typeof given === 'object' &&
    (given as unknown) !== null &&
    (isArrays(given) || typeof (given as Partial<AudioSource>).blocks === 'function');
  if (!fits) throw invalidOption('source', '{ sampleRate, channels } or an AudioSource', given);
  const source = isArrays(given) ? fromArrays(given) : given;
  if (source.sampleRate !== model.sampleRate) {
    throw invalidOption(
      'sampleRate',
      `${String(model.sampleRate)} (that of ${model.name}; resample first)`,
      source.sampleRate,
    );
  }
  const { channelCount } = source;
  if (channelCount !== model.channels && channelCount !== 1) {
    throw invalidOption('channels', `1 or ${String(model.channels)} channels`, channelCount);
  }
  return {
    sampleRate: source.sampleRate,
    channelCount: model.channels,
    async *blocks(signal) {
      for await (const block of source.blocks(signal)) {
        signal?.throwIfAborted();
        checkChannels(block);
        if (block.length !== channelCount) {
          throw invalidOption('channels', `${String(channelCount)} channels`, block.length);
        }
        const [first] = block;
        yield channelCount === model.channels || !first
          ? block
          : Array.from({ length: model.channels }, () => first);
      }
    },
  };
}
