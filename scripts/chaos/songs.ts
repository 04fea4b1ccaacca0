/** What clients ask for: songs with options, of which each result is known from an undisturbed run. */
import wavefile from 'wavefile';
import { randomNumbers } from '../../src/lib/random.js';

const RATE = 44_100;

export interface Recipe {
  name: string;
  song: Buffer;
  fields: Record<string, string>;
}

/** A WAV file: noise that `seed` decides. */
function noise(seconds: number, seed: number): Buffer {
  const random = randomNumbers(seed);
  const channel = () =>
    Int16Array.from({ length: RATE * seconds }, () => Math.floor((random() - 0.5) * 20_000));
  const wav = new wavefile.WaveFile();
  wav.fromScratch(2, RATE, '16', [channel(), channel()]);
  return Buffer.from(wav.toBuffer());
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
