/**
 * The output formats: what each can hold, and how ffmpeg is asked for it. A new format is a new row.
 */
import { invalidOption, type FORMATS, type ResolvedOutputOptions } from '../options.js';

export type FormatName = (typeof FORMATS)[number];
export type BitDepth = ResolvedOutputOptions['bitDepth'];
/** How samples are handed to ffmpeg: with their final bits, since it would truncate 24-bit ones. */
export type SampleFormat = 's16le' | 's32le' | 'f32le';

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
  /** ffmpeg's output options. */
  arguments: readonly string[];
}

interface FormatRow {
  /** Sample formats by the bit depths that the format has; none for lossy ones. */
  depths: Partial<Record<BitDepth, { sampleFormat: SampleFormat; arguments: string[] }>>;
  bitrate?: { default: number; minimum: number; maximum: number };
  sampleRates?: readonly number[];
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
    arguments: ['-c:a', 'flac', '-f', 'flac'],
  },
  mp3: {
    depths: {},
    bitrate: { default: 320, minimum: 8, maximum: 320 },
    sampleRates: [8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000],
    arguments: ['-c:a', 'libmp3lame', '-id3v2_version', '3', '-f', 'mp3'],
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
  const named = { model: rates.model, keep: rates.input };
  const sampleRate =
    typeof options.sampleRate === 'number' ? options.sampleRate : named[options.sampleRate];
  if (row.sampleRates && !row.sampleRates.includes(sampleRate)) {
    throw invalidOption(
      'sampleRate',
      `one of ${row.sampleRates.join(', ')} (${format})`,
      sampleRate,
    );
  }
  const common = { format, extension: format, sampleRate };

  if (row.bitrate) {
    const bitrate = options.bitrate ?? row.bitrate.default;
    const { minimum, maximum } = row.bitrate;
    if (bitrate < minimum || bitrate > maximum) {
      throw invalidOption(
        'bitrate',
        `integer from ${String(minimum)} to ${String(maximum)} (${format})`,
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
