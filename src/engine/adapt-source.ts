/**
 * Checks what a caller gives as a source and adapts it to the channels of the model.
 */
import { setImmediate } from 'node:timers/promises';
import { types } from 'node:util';
import type { ModelDescription } from '../models/archive.js';
import { invalidOption } from '../options.js';
import type { AudioArrays, AudioSource } from './audio-source.js';
import { mixed, resampled } from './resample-arrays.js';

const BLOCK_FRAMES = 65_536;

function isArrays(source: AudioArrays | AudioSource): source is AudioArrays {
  return 'channels' in source;
}

/**
 * One Float32Array per channel, all of one length; those of other realms (vm, Node-RED) too. Shared
 * memory is copied: another thread could change it between two readings.
 *
 * @throws OxboardError INVALID_OPTION for anything else.
 */
function checkedChannels(given: unknown): Float32Array[] {
  if (!Array.isArray(given) || given.length === 0) {
    throw invalidOption('channels', 'non-empty array of Float32Array', given);
  }
  const rows: unknown[] = given;
  const channels: Float32Array[] = [];
  for (const row of rows) {
    if (!types.isFloat32Array(row)) {
      throw invalidOption('channels', 'array of Float32Array', row);
    }
    if (row.length !== (channels[0] ?? row).length) {
      throw invalidOption('channels', 'arrays of the same length', given);
    }
    channels.push(types.isSharedArrayBuffer(row.buffer) ? new Float32Array(row) : row);
  }
  return channels;
}

function fromArrays({ sampleRate, channels: given }: AudioArrays): AudioSource {
  const channels = checkedChannels(given);
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

/** Rates that are resampled. */
const LOWEST_RATE = 1000;
const HIGHEST_RATE = 768_000;

/**
 * A source with as many channels as the model takes: mono is given to every channel. Its blocks are
 * checked on each reading. Reading ends with the signal's reason, whether or not `given` heeds the
 * signal.
 *
 * @param resample whether other sample rates and numbers of channels are converted.
 * @throws OxboardError INVALID_OPTION for another sample rate or an unfit number of channels, and
 * during a reading for a block that is not one Float32Array per channel, all of one length.
 */
export function adaptSource(
  given: AudioArrays | AudioSource,
  model: Pick<ModelDescription, 'name' | 'sampleRate' | 'channels'>,
  resample = false,
): AudioSource {
  const fits =
    typeof given === 'object' &&
    (given as unknown) !== null &&
    (isArrays(given) || typeof (given as Partial<AudioSource>).blocks === 'function');
  if (!fits) throw invalidOption('source', '{ sampleRate, channels } or an AudioSource', given);
  const source = isArrays(given) ? fromArrays(given) : given;
  if (resample) checkRate(source.sampleRate);
  else checkFormat(source, model);
  const checked = checkedSource(source);
  const { sampleRate, channels } = model;
  const fitting = checked.channelCount === channels ? checked : mixed(checked, channels);
  return fitting.sampleRate === sampleRate ? fitting : resampled(fitting, sampleRate);
}

function checkRate(sampleRate: number): void {
  if (Number.isInteger(sampleRate) && sampleRate >= LOWEST_RATE && sampleRate <= HIGHEST_RATE)
    return;
  const words = `integer from ${String(LOWEST_RATE)} to ${String(HIGHEST_RATE)}`;
  throw invalidOption('sampleRate', words, sampleRate);
}

function checkFormat(
  { sampleRate, channelCount }: AudioSource,
  model: Pick<ModelDescription, 'name' | 'sampleRate' | 'channels'>,
): void {
  if (sampleRate !== model.sampleRate) {
    throw invalidOption(
      'sampleRate',
      `${String(model.sampleRate)} (that of ${model.name}; or set resample)`,
      sampleRate,
    );
  }
  if (channelCount !== model.channels && channelCount !== 1) {
    throw invalidOption(
      'channels',
      `1 or ${String(model.channels)} channels (or set resample)`,
      channelCount,
    );
  }
}

/** The same source; its blocks are checked, because the addon takes their memory as it is. */
function checkedSource(source: AudioSource): AudioSource {
  const { channelCount } = source;
  return {
    sampleRate: source.sampleRate,
    channelCount,
    async *blocks(signal) {
      for await (const block of source.blocks(signal)) {
        signal?.throwIfAborted();
        const channels = checkedChannels(block);
        if (channels.length !== channelCount) {
          throw invalidOption('channels', `${String(channelCount)} channels`, channels.length);
        }
        yield channels;
      }
    },
  };
}
