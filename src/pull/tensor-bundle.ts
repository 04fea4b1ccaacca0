/**
 * TensorFlow's checkpoint format ("tensor bundle"), read as data: which tensors an index names, and where
 * they lie in the data file. The files come from the network, so every field is checked before anything
 * relies on it.
 *
 * The index is a LevelDB table: blocks of entries with prefix-compressed keys, an index block, and a
 * footer. Each value is a BundleEntryProto. Source: tensorflow/core/util/tensor_bundle and
 * tensorflow/core/protobuf/tensor_bundle.proto; leveldb/doc/table_format.md.
 */
import { open, readFile, stat } from 'node:fs/promises';
import crc32c from 'crc-32/crc32c.js';
import { badWeights } from './safetensors.js';

/** A float32 tensor of a bundle: row by row, little-endian. */
export interface BundleTensor {
  name: string;
  shape: readonly number[];
  /** Bytes from the start of the data file. */
  offset: number;
  bytes: number;
  crc32c: number;
}

const MAX_INDEX_BYTES = 4 << 20;
const MAX_TENSORS = 100_000;
const MAX_DIMENSIONS = 8;
const MAX_NAME_BYTES = 1000;
const FOOTER_BYTES = 48;
const FOOTER_MAGIC = 0xdb4775248b80fb57n;
/** A byte that names the compression, and a checksum. */
const BLOCK_TRAILER_BYTES = 5;
const DT_FLOAT = 1;
const FLOAT_BYTES = 4;

/**
 * Reads the float32 tensors of a bundle with one data file. Tensors of other types (such as
 * `global_step`) are left out.
 *
 * @param indexPath the file `NAME.index`.
 * @param dataPath the file `NAME.data-00000-of-00001`.
 * @throws OxboardError MODEL_INVALID when a file cannot be read or is not sound.
 */
export async function readTensorBundle(
  indexPath: string,
  dataPath: string,
): Promise<Map<string, BundleTensor>> {
  const index = await readIndex(indexPath);
  const dataBytes = await sizeOf(dataPath);
  const table = new Table(index, indexPath);
  const tensors = new Map<string, BundleTensor>();
  for (const [name, value] of table.entries()) {
    // The entry without a name describes the bundle as a whole.
    if (name === '') {
      checkHeader(value, indexPath);
      continue;
    }
    if (tensors.size >= MAX_TENSORS) throw damaged(indexPath, 'it names too many tensors');
    const tensor = tensorOf(name, value, indexPath);
    if (tensor === undefined) continue;
    if (tensor.offset + tensor.bytes > dataBytes) {
      throw damaged(dataPath, 'it ends before a tensor that its index names');
    }
    tensors.set(name, tensor);
  }
  return tensors;
}

/**
 * Compares tensors with their checksums.
 *
 * @throws OxboardError MODEL_INVALID naming the first that differs; `signal.reason` when aborted.
 */
export async function verifyTensors(
  dataPath: string,
  tensors: Iterable<BundleTensor>,
  signal?: AbortSignal,
): Promise<void> {
  const file = await open(dataPath, 'r');
  try {
    for (const { name, offset, bytes, crc32c: expected } of tensors) {
      signal?.throwIfAborted();
      const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, offset);
      if (bytesRead !== bytes || crc32c.buf(buffer) >>> 0 !== expected) {
        throw damaged(dataPath, `the checksum of ${JSON.stringify(name)} does not fit`);
      }
    }
  } finally {
    await file.close();
  }
}

const damaged = (path: string, why: string) => badWeights(path, `${why} (TensorFlow checkpoint)`);

async function readIndex(path: string): Promise<Buffer> {
  if ((await sizeOf(path)) > MAX_INDEX_BYTES) throw damaged(path, 'it is too large for an index');
  return readFile(path);
}

async function sizeOf(path: string): Promise<number> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile()) throw damaged(path, 'it is not a file');
  return info.size;
}

/** Reads numbers from a range of bytes and refuses to leave it. */
class Reader {
  #at = 0;

  constructor(
    readonly bytes: Buffer,
    readonly path: string,
  ) {}

  get done(): boolean {
    return this.#at >= this.bytes.length;
  }

  /** An unsigned integer of protocol buffers and LevelDB, below 2^53. */
  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.take(1)[0] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) break;
    }
    if (!Number.isSafeInteger(value)) throw damaged(this.path, 'a number is too large');
    return value;
  }

  fixed32(): number {
    return this.take(4).readUInt32LE();
  }

  take(count: number): Buffer {
    const end = this.#at + count;
    if (!(count >= 0 && end <= this.bytes.length)) throw damaged(this.path, 'it is cut short');
    const taken = this.bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

class Table {
  #bytesRead = 0;

  constructor(
    readonly bytes: Buffer,
    readonly path: string,
  ) {}

  /** Names and values, in the order of the names. */
  *entries(): Generator<[name: string, value: Buffer]> {
    const footer = this.bytes.subarray(-FOOTER_BYTES);
    if (footer.length < FOOTER_BYTES || footer.readBigUInt64LE(FOOTER_BYTES - 8) !== FOOTER_MAGIC) {
      throw damaged(this.path, 'it is not an index, or its end is missing');
    }
    const handles = new Reader(footer, this.path);
    this.#handle(handles); // of the block about the blocks, which says nothing here
    let before: Buffer | undefined;
    for (const [, handle] of this.#block(this.#handle(handles))) {
      for (const [key, value] of this.#block(this.#handle(new Reader(handle, this.path)))) {
        const inOrder = before === undefined || Buffer.compare(before, key) < 0;
        if (!inOrder) throw damaged(this.path, 'its names are not in order');
        before = key;
        yield [key.toString('utf8'), value];
      }
    }
  }

  #handle(reader: Reader): { offset: number; size: number } {
    return { offset: reader.varint(), size: reader.varint() };
  }

  *#block({ offset, size }: { offset: number; size: number }): Generator<[Buffer, Buffer]> {
    const end = offset + size + BLOCK_TRAILER_BYTES;
    if (end > this.bytes.length) throw damaged(this.path, 'a block lies beyond its end');
    // Without this, a small file could name one block many times.
    this.#bytesRead += size + BLOCK_TRAILER_BYTES;
    if (this.#bytesRead > this.bytes.length) throw damaged(this.path, 'its blocks overlap');
    const block = this.bytes.subarray(offset, offset + size);
    const checked = this.bytes.subarray(offset, offset + size + 1);
    if (checked[size] !== 0) throw damaged(this.path, 'a block is compressed');
    if (crc32c.buf(checked) >>> 0 !== unmask(this.bytes.readUInt32LE(offset + size + 1))) {
      throw damaged(this.path, 'the checksum of a block does not fit');
    }
    const restarts = size >= 4 ? block.readUInt32LE(size - 4) : NaN;
    const entriesEnd = size - 4 - 4 * restarts;
    if (!(entriesEnd >= 0)) throw damaged(this.path, 'a block has no end');
    const reader = new Reader(block.subarray(0, entriesEnd), this.path);
    let key = Buffer.alloc(0);
    while (!reader.done) {
      const [shared, own, length] = [reader.varint(), reader.varint(), reader.varint()];
      if (shared > key.length) throw damaged(this.path, 'a name has no beginning');
      if (shared + own > MAX_NAME_BYTES) throw damaged(this.path, 'a name is too long');
      key = Buffer.concat([key.subarray(0, shared), reader.take(own)]);
      yield [key, reader.take(length)];
    }
  }
}

/** The checksums in these files are stored in a form that is no checksum of itself. */
function unmask(stored: number): number {
  const rotated = (stored - 0xa282ead8) >>> 0;
  return ((rotated << 15) | (rotated >>> 17)) >>> 0;
}

interface Field {
  number: number;
  value: number | Buffer;
}

/** The fields of a message of protocol buffers. */
function* fields(bytes: Buffer, path: string): Generator<Field> {
  const reader = new Reader(bytes, path);
  while (!reader.done) {
    const tag = reader.varint();
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        yield { number, value: reader.varint() };
        break;
      case 1:
        yield { number, value: reader.take(8) };
        break;
      case 2:
        yield { number, value: reader.take(reader.varint()) };
        break;
      case 5:
        yield { number, value: reader.fixed32() };
        break;
      default:
        throw damaged(path, 'an entry is malformed');
    }
  }
}

/** Numbers of a message by their fields; a field that is absent is 0, as in protocol buffers. */
function numbersOf(bytes: Buffer, path: string): (field: number) => number {
  const values = new Map<number, number>();
  for (const { number, value } of fields(bytes, path)) {
    if (typeof value === 'number') values.set(number, value);
  }
  return (field) => values.get(field) ?? 0;
}

function checkHeader(value: Buffer, path: string): void {
  const field = numbersOf(value, path);
  if (field(1) !== 1) throw damaged(path, 'its data lies in more than one file');
  if (field(2) !== 0) throw damaged(path, 'its numbers are big-endian');
}

/** @returns undefined for a tensor that is not float32. */
function tensorOf(name: string, value: Buffer, path: string): BundleTensor | undefined {
  const field = numbersOf(value, path);
  if (field(1) !== DT_FLOAT) return undefined;
  const shape: number[] = [];
  for (const { number, value: part } of fields(value, path)) {
    if (number === 7) throw damaged(path, 'a tensor is stored in slices');
    if (number !== 2 || typeof part === 'number') continue;
    for (const { number: kind, value: dimension } of fields(part, path)) {
      if (kind === 2 && typeof dimension !== 'number') shape.push(numbersOf(dimension, path)(1));
    }
  }
  const bytes = field(5);
  const due = shape.reduce((product, size) => product * size, FLOAT_BYTES);
  if (field(3) !== 0 || shape.length > MAX_DIMENSIONS || bytes !== due) {
    throw damaged(path, `the shape of ${JSON.stringify(name)} does not fit its size`);
  }
  return { name, shape, offset: field(4), bytes, crc32c: unmask(field(6)) };
}
