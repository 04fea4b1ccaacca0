/**
 * Conversions between planar PCM, which the engine works on, and the interleaved float32 that
 * ffmpeg and spool files hold. Both are little-endian, as every supported machine is.
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
  for (const sample of samples) {
    const magnitude = Math.abs(sample);
    if (magnitude <= peak) continue;
    if (Number.isNaN(magnitude)) return NaN;
    peak = magnitude;
  }
  return peak;
}

const ZEROS = new Uint8Array(65_536);

/**
 * Whether all bytes are zero, at the speed of memory: hours of silence, which fit in a small file,
 * must not cost what music costs.
 */
export function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const part = bytes.subarray(at, at + ZEROS.length);
    if (Buffer.compare(part, ZEROS.subarray(0, part.length)) !== 0) return false;
  }
  return true;
}

export const isSilent = (block: readonly Float32Array[]): boolean =>
  block.every((channel) => isZero(bytesOf(channel)));

export function bytesOf(samples: ArrayBufferView): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
}

/**
 * Cuts a stream of interleaved float32 bytes into planar blocks. A block is reused for the next
 * one; a frame that the stream's end cuts off is dropped.
 */
export async function* planarBlocks(
  bytes: AsyncIterable<Uint8Array>,
  channelCount: number,
): AsyncGenerator<Float32Array[], void, undefined> {
  const frameBytes = channelCount * BYTES_PER_SAMPLE;
  const staging = new Float32Array(FRAMES_PER_BLOCK * channelCount);
  const stagingBytes = bytesOf(staging);
  const block = newBlock(channelCount, FRAMES_PER_BLOCK);
  let filled = 0;

  for await (const chunk of bytes) {
    let taken = 0;
    while (taken < chunk.length) {
      const part = chunk.subarray(taken, taken + stagingBytes.length - filled);
      stagingBytes.set(part, filled);
      taken += part.length;
      filled += part.length;
      if (filled === stagingBytes.length) {
        if (isZero(stagingBytes)) for (const channel of block) channel.fill(0);
        else deinterleave(staging, block);
        yield block;
        filled = 0;
      }
    }
  }
  const frames = Math.floor(filled / frameBytes);
  if (frames > 0) {
    const rest = block.map((channel) => channel.subarray(0, frames));
    deinterleave(staging, rest);
    yield rest;
  }
}
