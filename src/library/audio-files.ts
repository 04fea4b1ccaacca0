/**
 * Audio files as arrays, and arrays as audio files.
 */
import { rename } from 'node:fs/promises';
import path from 'node:path';
import type { z } from 'zod';
import { DamageLog, type Warning } from '../audio/damage.js';
import { decode } from '../audio/decode.js';
import { encode, resample } from '../audio/encode.js';
import { resolveEncoding, type FormatName } from '../audio/formats.js';
import { deinterleave, interleave } from '../audio/pcm.js';
import { emptyInput, probe } from '../audio/probe.js';
import { spoolBlocks } from '../audio/spool.js';
import { adaptSource } from '../engine/adapt-source.js';
import type { AudioArrays } from '../engine/audio-source.js';
import { measureSource } from '../engine/statistics.js';
import {
  decodeFileOptions,
  encodeFileOptions,
  FORMATS,
  invalidOption,
  resolveOptions,
} from '../options.js';
import { damageWarnings } from '../separation/warnings.js';
import { Workspace } from '../separation/workspace.js';

export type DecodeFileOptions = z.input<typeof decodeFileOptions>;
export type EncodeFileOptions = z.input<typeof encodeFileOptions>;

export interface DecodedFile extends AudioArrays {
  channels: Float32Array[];
  /** What the decoder could not read. */
  warnings: Warning[];
}

export interface WrittenFile {
  path: string;
  format: FormatName;
  /** Hz; opus files always have 48000. */
  sampleRate: number;
  channels: number;
  /** Sample frames. */
  frames: number;
  sizeBytes: number;
  /** The factor by which clip mode `rescale` lowered the audio. */
  gain: number;
}

/**
 * Decodes an audio or video file into memory: 4 bytes per sample, and as many again while it
 * decodes. Where the file has no sound there is silence. Files of more than two channels are mixed to
 * stereo.
 *
 * @throws OxboardError INVALID_OPTION, INPUT_NOT_FOUND, INPUT_NOT_A_FILE, INPUT_UNREADABLE,
 * INPUT_EMPTY, INPUT_NOT_AUDIO, INPUT_DAMAGED, FFMPEG_MISSING; `signal.reason` when aborted.
 */
export async function decodeFile(
  file: string,
  options: DecodeFileOptions = {},
): Promise<DecodedFile> {
  const resolved = resolveOptions(decodeFileOptions, options);
  const { track, allowDamaged, signal } = resolved;
  const input = await probe(file, { signal, track });
  const format = {
    sampleRate: resolved.sampleRate ?? input.sampleRate,
    channelCount: resolved.channels ?? Math.min(input.channelCount, 2),
  };
  const damage = new DamageLog();
  const blocks: Float32Array[] = [];
  let samples = 0;
  for await (const block of decode(input, format, { signal, damage })) {
    blocks.push(block.slice());
    samples += block.length;
  }
  const frames = samples / format.channelCount;
  if (frames === 0) throw emptyInput(file);
  const channels = Array.from({ length: format.channelCount }, () => new Float32Array(frames));
  let offset = 0;
  for (const block of blocks) {
    const end = offset + block.length / format.channelCount;
    deinterleave(
      block,
      channels.map((channel) => channel.subarray(offset, end)),
    );
    offset = end;
  }
  const seconds = frames / format.sampleRate;
  const warnings = damageWarnings(input, damage, seconds, allowDamaged);
  return { sampleRate: format.sampleRate, channels, warnings };
}

/**
 * Writes arrays as an audio file. A file of that name is replaced once the new one is complete.
 *
 * @param audio one or two channels of samples from -1 to 1; see `clipMode` for larger ones.
 * @throws OxboardError INVALID_OPTION, INPUT_EMPTY, INPUT_NOT_FINITE, ENCODE_FAILED,
 * FFMPEG_MISSING; the file system's error; `signal.reason` when aborted.
 */
export async function encodeFile(
  file: string,
  audio: AudioArrays,
  options: EncodeFileOptions = {},
): Promise<WrittenFile> {
  const { format = formatOf(file), signal, ...rest } = resolveOptions(encodeFileOptions, options);
  const channels = (audio as Partial<AudioArrays>).channels?.length;
  if (channels !== 1 && channels !== 2) {
    throw invalidOption('channels', 'array of 1 or 2 Float32Array', audio.channels);
  }
  const { sampleRate } = audio;
  const encoding = resolveEncoding(
    { ...rest, format, sampleRate: 'keep' },
    { input: sampleRate, model: sampleRate },
  );
  const source = adaptSource(audio, { name: file, sampleRate, channels });
  await measureSource(source, signal ?? new AbortController().signal);

  const workspace = await Workspace.create(path.dirname(path.resolve(file)));
  try {
    async function* interleaved() {
      for await (const block of source.blocks(signal)) yield interleave(block);
    }
    const pcm = { sampleRate, channelCount: channels };
    const spool = await spoolBlocks(workspace.path('audio.f32'), pcm, interleaved());
    const fitting = await resample(
      spool,
      encoding.sampleRate,
      workspace.path('resampled.f32'),
      signal ? { signal } : {},
    );
    const encoded = workspace.path(`audio.${encoding.extension}`);
    const { clipMode } = rest;
    const written = await encode(fitting, encoded, encoding, { clipMode, signal });
    signal?.throwIfAborted();
    await rename(encoded, file);
    return { path: file, format, ...written };
  } finally {
    workspace.remove();
  }
}

function formatOf(file: string): FormatName {
  const extension = path.extname(file).slice(1).toLowerCase();
  const format = FORMATS.find((name) => name === extension);
  if (format) return format;
  throw invalidOption('format', `one of ${FORMATS.join(', ')}, or a file name that ends so`, file);
}
