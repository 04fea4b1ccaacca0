/**
 * Just enough of WAV to stream 32-bit float samples.
 */
const HEADER_BYTES = 44;
const FLOAT = 3;

export function wavHeader({ sampleRate, channels, frames }) {
  const frameBytes = 4 * channels;
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('RIFF', 0);
  header.writeUInt32LE(HEADER_BYTES - 8 + frames * frameBytes, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(FLOAT, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE(sampleRate * frameBytes, 28);
  header.writeUInt16LE(frameBytes, 32);
  header.writeUInt16LE(32, 34);
  header.write('data', 36);
  header.writeUInt32LE(frames * frameBytes, 40);
  return header;
}

/** One array per channel as the bytes of a WAV. */
export function interleave(channels) {
  const samples = new Float32Array(channels.length * channels[0].length);
  channels.forEach((row, channel) => {
    row.forEach((sample, frame) => {
      samples[frame * channels.length + channel] = sample;
    });
  });
  return Buffer.from(samples.buffer);
}
