/**
 * How much sound is missing where a file without times of its own is damaged: what its bytes would
 * have held.
 */
import { open } from 'node:fs/promises';

/** Of an ID3v2 tag and of the end of an APEv2 tag: "ID3", version, flags, four times 7 bits; "APETAGEX", version, size. */
const ID3_HEADER = 10;
const APE_HEADER = 32;
/** "TAG" and 125 bytes of text: an ID3v1 tag. */
const ID3V1 = 128;
/** The first frames may lack the encoder's delay. */
const CUT_FRAMES = 2;
/** No more of a gap is read for tags. */
const LARGEST_GAP_BYTES = 64 * 2 ** 20;

/** Bytes of tags between two places of a file: files are joined with them. */
export async function tagBytes(file: string, from: number, to: number): Promise<number> {
  const bytes = Buffer.alloc(Math.min(to - from, LARGEST_GAP_BYTES));
  await using handle = await open(file);
  await handle.read(bytes, 0, bytes.length, from);
  let found = 0;
  for (let at = bytes.indexOf('ID3'); at >= 0; at = bytes.indexOf('ID3', at + 1)) {
    const size = id3Size(bytes.subarray(at));
    if (size > bytes.length - at) continue;
    found += size;
    at += Math.max(size - 1, 0);
  }
  const ape = bytes.indexOf('APETAGEX');
  if (ape >= 0 && ape + APE_HEADER <= bytes.length) {
    found += Math.min(bytes.readUInt32LE(ape + 12) + APE_HEADER, bytes.length - ape);
  }
  const old = bytes.indexOf('TAG');
  if (old >= 0 && old + ID3V1 <= bytes.length) found += ID3V1;
  return Math.min(found, bytes.length);
}

/** 0 where there is none. */
function id3Size(bytes: Buffer): number {
  const [major = 0xff, minor = 0xff] = bytes.subarray(3, 5);
  const size = [...bytes.subarray(6, ID3_HEADER)];
  if (size.length < 4 || major > 4 || minor === 0xff || size.some((part) => part > 0x7f)) return 0;
  return ID3_HEADER + size.reduce((sum, part) => sum * 128 + part, 0);
}

/** Counts the sound of a file by its frames, and estimates from them what a gap would have held. */
export class FrameCounter {
  #seen = 0;
  #frames = 0;
  #samples = 0;
  #bytes = 0;
  #smallest = Infinity;
  #largest = 0;
  /** Part of a frame by which earlier gaps were rounded. */
  #rest = 0;

  /** Takes a whole frame. */
  add(bytes: number, samples: number): void {
    if (this.#seen++ < CUT_FRAMES) return;
    this.#frames++;
    this.#samples += samples;
    this.#bytes += bytes;
    this.#smallest = Math.min(this.#smallest, bytes);
    this.#largest = Math.max(this.#largest, bytes);
  }

  /** Whether frames differ by no more than the byte with which an mp3 keeps its bitrate. */
  get isExact(): boolean {
    return this.#largest - this.#smallest <= 1;
  }

  /**
   * Samples that are missing between two frames.
   *
   * @param bytes from the beginning of the one to that of the other.
   * @returns undefined when no frame has been seen.
   */
  missing(bytes: number): number | undefined {
    if (this.#frames === 0) return undefined;
    const frames = (bytes * this.#frames) / this.#bytes - 1 + this.#rest;
    const whole = Math.max(Math.round(frames), 0);
    this.#rest = frames - whole;
    return Math.round((whole * this.#samples) / this.#frames);
  }
}
