/**
 * Audio made by ffmpeg and folders to put it in.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { removeFolderSync } from '../../src/lib/remove-folder.js';

/** A folder that goes when the test, or the file of tests, ends. */
export function temporaryFolder(context: { after: (hook: () => void) => void }): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'oxboard-test-'));
  context.after(() => removeFolderSync(folder));
  return folder;
}

export function ffmpeg(...args: string[]): void {
  execFileSync('ffmpeg', ['-hide_banner', '-v', 'error', '-nostdin', '-y', ...args]);
}

/**
 * Writes expressions of `t` (one per channel, joined by |) as audio.
 *
 * @param options ffmpeg's output options.
 */
export function makeAudio(
  file: string,
  expression: string,
  { seconds = 1, sampleRate = 44_100, layout = '', options = [] as string[] } = {},
): string {
  const channels = layout ? `:c=${layout}` : '';
  const source = `aevalsrc=${expression}:s=${String(sampleRate)}:d=${String(seconds)}${channels}`;
  ffmpeg('-f', 'lavfi', '-i', source, ...options, file);
  return file;
}

/** A WAV file written by hand, so that its header may say anything. @param format 1: PCM, 3: float. */
export function wavFile(
  samples: Uint8Array,
  { channels = 2, bits = 16, format = 1, dataBytes = samples.length } = {},
): Buffer {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(36 + dataBytes, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(format, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(44_100, 24);
  header.writeUInt32LE((44_100 * channels * bits) / 8, 28);
  header.writeUInt16LE((channels * bits) / 8, 32);
  header.writeUInt16LE(bits, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(dataBytes, 40);
  return Buffer.concat([header, samples]);
}

/** The samples of a WAV in one of the forms that we write, interleaved; undefined for other files. */
function readWav(file: string): Float32Array | undefined {
  const bytes = readFileSync(file);
  if (bytes.toString('latin1', 0, 4) !== 'RIFF') return undefined;
  const chunk = (name: string) => {
    let at = 12;
    const size = () => bytes.readUInt32LE(at + 4);
    while (bytes.toString('latin1', at, at + 4) !== name) at += 8 + size() + (size() % 2);
    return bytes.subarray(at + 8, at + 8 + size());
  };
  const format = chunk('fmt ');
  const [tag, bits] = [format.readUInt16LE(0), format.readUInt16LE(14)];
  const EXTENSIBLE = 0xfffe;
  const isFloat = (tag === EXTENSIBLE ? format.readUInt16LE(24) : tag) === 3;
  const data = chunk('data');
  const readers: Record<string, (at: number) => number> = {
    '16': (at) => data.readInt16LE(at) / 2 ** 15,
    '24': (at) => data.readIntLE(at, 3) / 2 ** 23,
    '32f': (at) => data.readFloatLE(at),
  };
  const read = readers[`${String(bits)}${isFloat ? 'f' : ''}`];
  if (!read) return undefined;
  const width = bits / 8;
  return Float32Array.from({ length: data.length / width }, (_, index) => read(index * width));
}

function decoded(file: string, sampleRate?: number): Float32Array {
  const rate = sampleRate ? ['-ar', String(sampleRate)] : [];
  const raw = execFileSync(
    'ffmpeg',
    ['-v', 'error', '-nostdin', '-i', `file:${file}`, ...rate, '-f', 'f32le', 'pipe:1'],
    { maxBuffer: 2 ** 30 },
  );
  return new Float32Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length));
}

/** The samples of a file: planar, at its own rate unless another is asked for. */
export function readAudio(file: string, channels = 2, sampleRate?: number): Float32Array[] {
  const samples = (sampleRate ? undefined : readWav(file)) ?? decoded(file, sampleRate);
  return Array.from({ length: channels }, (_, channel) =>
    Float32Array.from(
      { length: samples.length / channels },
      (_sample, frame) => samples[frame * channels + channel]!,
    ),
  );
}

export function peak(samples: Float32Array): number {
  return samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
}

/** Level of a - b relative to a, in dB. */
export function differenceDb(a: Float32Array, b: Float32Array): number {
  let signal = 0;
  let difference = 0;
  for (let at = 0; at < a.length; at++) {
    signal += a[at]! ** 2;
    difference += (a[at]! - (b[at] ?? 0)) ** 2;
  }
  return 10 * Math.log10(difference / signal);
}
