/**
 * The output formats: what each can hold, and how ffmpeg is asked for it. A new format is a new row.
 */
import { invalidOption, type FORMATS, type ResolvedOutputOptions } from '../options.js';

export type FormatName = (typeof FORMATS)[number];
export type BitDepth = ResolvedOutputOptions['bitDepth'];
/** How samples are handed to ffmpeg: with their final bits, since it would truncate 24-bit ones. */
export type SampleFormat = 's16le' | 's32le' | 'f32le';

export const BYTES_PER_SAMPLE_OF: Record<SampleFormat, number> = { s16le: 2, s32le: 4, f32le: 4 };

/** All that is to be known to write one stem. */
export interface Encoding {
  format: FormatName;
  extension: string;
  sampleRate: number;
  sampleFormat: SampleFormat;
  /** Bits per sample of lossless formats. */
  bitDepth?: BitDepth;
  /** Kilobits per second of lossy formats. */
  bitrate?: number;
  /** Cover art as a stream of its own, as a comment of the Vorbis kind, or not at all. */
  cover?: 'stream' | 'comment' | undefined;
  /** ffmpeg's output options. */
  arguments: readonly string[];
}

interface FormatRow {
  /** Sample formats by the bit depths that the format has; none for lossy ones. */
  depths: Partial<Record<BitDepth, { sampleFormat: SampleFormat; arguments: string[] }>>;
  bitrate?: { default: number; minimum: number; maximum: (sampleRate: number) => number };
  sampleRates?: readonly number[];
  /** The rate for `model` and `keep` where the format works at one rate of its own. */
  ownRate?: number;
  cover?: Encoding['cover'];
  arguments: string[];
}

const FORMAT_ROWS: Record<FormatName, FormatRow> = {
  wav: {
    depths: {
      '16': { sampleFormat: 's16le', arguments: ['-c:a', 'pcm_s16le'] },
      '24': { sampleFormat: 's32le', arguments: ['-c:a', 'pcm_s24le'] },
      '32f': { sampleFormat: 'f32le', arguments: ['-c:a', 'pcm_f32le'] },
    },
    arguments: ['-f', 'wav'],
  },
  flac: {
    depths: {
      '16': { sampleFormat: 's16le', arguments: ['-sample_fmt', 's16'] },
      '24': {
        sampleFormat: 's32le',
        arguments: ['-sample_fmt', 's32', '-bits_per_raw_sample', '24'],
      },
    },
    cover: 'stream',
    arguments: ['-c:a', 'flac', '-f', 'flac'],
  },
  mp3: {
    depths: {},
    bitrate: {
      default: 320,
      minimum: 8,
      // MPEG-1, MPEG-2 and MPEG-2.5 have tables of bitrates of their own.
      maximum: (rate) => (rate >= 32_000 ? 320 : rate >= 16_000 ? 160 : 64),
    },
    sampleRates: [8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000],
    cover: 'stream',
    arguments: ['-c:a', 'libmp3lame', '-id3v2_version', '3', '-f', 'mp3'],
  },
  opus: {
    depths: {},
    bitrate: { default: 160, minimum: 8, maximum: () => 510 },
    sampleRates: [48_000],
    // Every decoder gives 48 kHz, whatever the encoder was fed with.
    ownRate: 48_000,
    cover: 'comment',
    arguments: ['-c:a', 'libopus', '-f', 'opus'],
  },
  m4a: {
    depths: {},
    bitrate: {
      default: 256,
      minimum: 16,
      // AAC allows 6144 bits per channel in a frame of 1024 samples.
      maximum: (rate) => Math.min(512, Math.floor((2 * 6.144 * rate) / 1024)),
    },
    sampleRates: [
      8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000,
    ],
    cover: 'stream',
    // The index at the front, so that a browser can play while it loads.
    arguments: ['-c:a', 'aac', '-movflags', '+faststart', '-f', 'ipod'],
  },
};

/**
 * Decides how stems are written, or refuses a combination that the format does not have.
 *
 * @throws OxboardError INVALID_OPTION
 */
export function resolveEncoding(
  options: Pick<ResolvedOutputOptions, 'format' | 'bitDepth' | 'bitrate' | 'sampleRate'>,
  rates: { input: number; model: number },
): Encoding {
  const { format } = options;
  const row = FORMAT_ROWS[format];
  const named = { model: row.ownRate ?? rates.model, keep: row.ownRate ?? rates.input };
  const sampleRate =
    typeof options.sampleRate === 'number' ? options.sampleRate : named[options.sampleRate];
  if (row.sampleRates && !row.sampleRates.includes(sampleRate)) {
    throw invalidOption(
      'sampleRate',
      `one of ${row.sampleRates.join(', ')} (${format})`,
      sampleRate,
    );
  }
  const common = { format, extension: format, sampleRate, cover: row.cover };

  if (row.bitrate) {
    const { minimum } = row.bitrate;
    const maximum = row.bitrate.maximum(sampleRate);
    const bitrate = options.bitrate ?? Math.min(row.bitrate.default, maximum);
    if (bitrate < minimum || bitrate > maximum) {
      throw invalidOption(
        'bitrate',
        `integer from ${String(minimum)} to ${String(maximum)} (${format} at ${String(sampleRate)} Hz)`,
        bitrate,
      );
    }
    return {
      ...common,
      sampleFormat: 'f32le',
      bitrate,
      arguments: ['-b:a', `${String(bitrate)}k`, ...row.arguments],
    };
  }
  if (options.bitrate !== undefined) {
    throw invalidOption('bitrate', `no value (${format} is lossless)`, options.bitrate);
  }
  const { bitDepth } = options;
  const depth = row.depths[bitDepth];
  if (!depth) {
    const known = Object.keys(row.depths).join(', ');
    throw invalidOption('bitDepth', `one of ${known} (${format})`, bitDepth);
  }
  return {
    ...common,
    sampleFormat: depth.sampleFormat,
    bitDepth,
    arguments: [...depth.arguments, ...row.arguments],
  };
}

/** An upper bound of a stem's size in bytes, for the check of free space. */
export function encodedSize(encoding: Encoding, channelCount: number, seconds: number): number {
  const bitsPerSecond =
    encoding.bitrate === undefined
      ? Number.parseInt(encoding.bitDepth ?? '32', 10) * channelCount * encoding.sampleRate
      : encoding.bitrate * 1000;
  return Math.ceil((bitsPerSecond / 8) * seconds) + 65_536;
}
