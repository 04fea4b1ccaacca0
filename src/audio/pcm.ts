/**
 * Interleaved float32 samples, as ffmpeg and spool files hold them. Only the engine is planar: what
 * it reads and gives is converted there and nowhere else. All is little-endian, as every supported
 * machine is.
 */

export const BYTES_PER_SAMPLE = Float32Array.BYTES_PER_ELEMENT;
export const FRAMES_PER_BLOCK = 32_768;

export interface PcmFormat {
  /** Sample frames per second. */
  sampleRate: number;
  channelCount: number;
}

export function interleave(channels: readonly Float32Array[]): Float32Array {
  const channelCount = channels.length;
  const interleaved = new Float32Array((channels[0]?.length ?? 0) * channelCount);
  for (const [index, channel] of channels.entries()) {
    for (let frame = 0, at = index; frame < channel.length; frame++, at += channelCount) {
      interleaved[at] = channel[frame] as number;
    }
  }
  return interleaved;
}

/** Writes `interleaved` into `channels`, whose length says how many frames there are. */
export function deinterleave(interleaved: Float32Array, channels: readonly Float32Array[]): void {
  const channelCount = channels.length;
  for (const [index, channel] of channels.entries()) {
    for (let frame = 0, at = index; frame < channel.length; frame++, at += channelCount) {
      channel[frame] = interleaved[at] as number;
    }
  }
}

export function newBlock(channelCount: number, frames: number): Float32Array[] {
  return Array.from({ length: channelCount }, () => new Float32Array(frames));
}

/** The largest absolute sample; NaN if there is one, which must not pass for silence. */
export function peakOf(samples: Float32Array): number {
  let peak = 0;
  // An iterator takes seven times as long (measured, Node 20), and every sample comes through here.
  // eslint-disable-next-line @typescript-eslint/prefer-for-of
  for (let at = 0; at < samples.length; at++) {
    peak = Math.max(peak, Math.abs(samples[at] as number));
  }
  return peak;
}

const ZEROS = new Uint8Array(65_536);

/**
 * Whether all samples are zero, at the speed of memory: hours of silence, which fit in a small file,
 * must not cost what music costs.
 */
export function isSilent(samples: Float32Array): boolean {
  const bytes = bytesOf(samples);
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const part = bytes.subarray(at, at + ZEROS.length);
    if (Buffer.compare(part, ZEROS.subarray(0, part.length)) !== 0) return false;
  }
  return true;
}

/** A view of the same memory. */
export function bytesOf(samples: ArrayBufferView): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
}

/**
 * Cuts a stream of float32 bytes into blocks of whole frames. The memory of a block is reused for
 * the next one; a frame that the end of the stream cuts off is dropped.
 */
export async function* pcmBlocks(
  bytes: AsyncIterable<Uint8Array>,
  channelCount: number,
): AsyncGenerator<Float32Array, void, undefined> {
  const block = new Float32Array(FRAMES_PER_BLOCK * channelCount);
  const blockBytes = bytesOf(block);
  let filled = 0;
  for await (const chunk of bytes) {
    for (let taken = 0; taken < chunk.length;) {
      const part = chunk.subarray(taken, taken + blockBytes.length - filled);
      blockBytes.set(part, filled);
      taken += part.length;
      filled += part.length;
      if (filled < blockBytes.length) continue;
      yield block;
      filled = 0;
    }
  }
  const frames = Math.floor(filled / (channelCount * BYTES_PER_SAMPLE));
  if (frames > 0) yield block.subarray(0, frames * channelCount);
}
