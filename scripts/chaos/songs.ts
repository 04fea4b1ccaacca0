/** What clients ask for: songs with options, of which each result is known from an undisturbed run. */
import { randomNumbers } from '../../src/lib/random.js';

const RATE = 44_100;
const HEADER_BYTES = 44;

export interface Recipe {
  name: string;
  song: Buffer;
  fields: Record<string, string>;
}

/** A WAV file: noise that `seed` decides. */
function noise(seconds: number, seed: number): Buffer {
  const frames = RATE * seconds;
  const bytes = Buffer.alloc(HEADER_BYTES + frames * 4);
  bytes.write('RIFF', 0);
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.write('WAVEfmt ', 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(2, 22);
  bytes.writeUInt32LE(RATE, 24);
  bytes.writeUInt32LE(RATE * 4, 28);
  bytes.writeUInt16LE(4, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36);
  bytes.writeUInt32LE(frames * 4, 40);
  const random = randomNumbers(seed);
  for (let at = HEADER_BYTES; at < bytes.length; at += 2) {
    bytes.writeInt16LE(Math.floor((random() - 0.5) * 20_000), at);
  }
  return bytes;
}

/**
 * The same samples in a file of other bytes, so that no job of this song has the result of another:
 * with one more chunk at the end, which decoders skip.
 */
export function unlike(song: Buffer, mark: number): Buffer {
  const chunk = Buffer.alloc(16);
  chunk.write('junk', 0);
  chunk.writeUInt32LE(8, 4);
  chunk.writeDoubleLE(mark, 8);
  const bytes = Buffer.concat([song, chunk]);
  bytes.writeUInt32LE(bytes.length - 8, 4);
  return bytes;
}

/** From a moment's work to one that lasts longer than two checkpoints. */
export const recipes = (): Recipe[] => [
  { name: 'short', song: noise(3, 1), fields: { output_format: 'wav', bit_depth: '32f' } },
  { name: 'flac', song: noise(10, 2), fields: { output_format: 'flac', bit_depth: '24' } },
  { name: 'vocals', song: noise(20, 3), fields: { two_stems: 'vocals', output_format: 'mp3' } },
  { name: 'shifted', song: noise(12, 4), fields: { shifts: '2', overlap: '0.5', seed: '7' } },
  {
    name: 'long',
    song: noise(40, 5),
    fields: { shifts: '4', overlap: '0.75', seed: '9', stems: 'drums,vocals' },
  },
];
