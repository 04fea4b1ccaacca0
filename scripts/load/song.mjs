import { randomFillSync } from 'node:crypto';

const RATE = 44_100;

/**
 * A WAV file in memory: noise, each time another. It has to be made quickly, because the time that it
 * takes is measured as if the service had taken it.
 */
export function makeSong(seconds) {
  const frames = RATE * seconds;
  const bytes = Buffer.alloc(44 + frames * 4);
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
  randomFillSync(bytes, 44);
  return bytes;
}
