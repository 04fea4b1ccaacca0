/**
 * WAV files that hold more sound than their header says: a recorder that stopped before it wrote the
 * final size leaves an older one.
 */
import { open, type FileHandle } from 'node:fs/promises';

/** "RIFF", size, "WAVE"; then chunks, each of them an id, a size and that many bytes. */
const FILE_HEADER = 12;
const CHUNK_HEADER = 8;
const ID = /^[\x20-\x7e]{4}$/;
/** Sizes that say "not known", which ffmpeg reads to the end of the file. */
const UNKNOWN_SIZES = new Set([0, 0xffffffff]);
/** Tags of other formats that some programs put at the end. */
const OTHER_TAGS = ['ID3', 'TAG', 'APE'];
/** What is shorter is padding. */
const SHORTEST_SOUND_BYTES = 16_384;

/** Whether what follows the sound that the header states can only be more sound. */
export async function holdsMoreThanStated(file: string): Promise<boolean> {
  await using handle = await open(file);
  const { size } = await handle.stat();
  const header = (await bytesAt(handle, 0, FILE_HEADER)).toString('latin1');
  if (!header.startsWith('RIFF') || !header.endsWith('WAVE')) return false;
  let isAfterSound = false;
  for (let at = FILE_HEADER; at + CHUNK_HEADER <= size;) {
    const chunk = await bytesAt(handle, at, CHUNK_HEADER);
    const id = chunk.toString('latin1', 0, 4);
    const stated = chunk.readUInt32LE(4);
    const end = at + CHUNK_HEADER + stated;
    if (isAfterSound && !(ID.test(id) && end <= size)) {
      return size - at >= SHORTEST_SOUND_BYTES && !OTHER_TAGS.some((tag) => id.startsWith(tag));
    }
    if (id === 'data') {
      if (UNKNOWN_SIZES.has(stated)) return false;
      isAfterSound = true;
    }
    // Chunks begin at even places.
    at = end + (end % 2);
  }
  return false;
}

async function bytesAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
