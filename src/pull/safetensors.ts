/**
 * The header of a safetensors file: which tensors it holds and where. The files come from the
 * network, so every field is checked before anything relies on it.
 */
import { open, stat } from 'node:fs/promises';
import { z } from 'zod';
import { OxboardError } from '../errors.js';

const LENGTH_BYTES = 8;
/** The largest published header, that of a quantised network, is below half a megabyte. */
const MAX_HEADER_BYTES = 8 << 20;
const MAX_DIMENSIONS = 8;

const ITEM_BITS = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  F8_E4M3: 8,
  F8_E5M2: 8,
  F8_E8M0: 8,
  I8: 8,
  U8: 8,
  BF16: 16,
  F16: 16,
  I16: 16,
  U16: 16,
  F32: 32,
  I32: 32,
  U32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

export type Dtype = keyof typeof ITEM_BITS;

/** One tensor of a file: row by row, little-endian. */
export interface TensorEntry {
  name: string;
  dtype: Dtype;
  shape: readonly number[];
  /** Bytes from the start of the file. */
  offset: number;
  bytes: number;
}

/** Floating-point numbers that fill something, as they are. */
export interface PlainSource {
  dtype: 'F16' | 'BF16' | 'F32';
  /** Bytes from the start of the file. */
  offset: number;
  bytes: number;
}

export interface SafetensorsFile {
  path: string;
  /** Texts about the file as a whole. */
  metadata: ReadonlyMap<string, string>;
  /** In the order of their places; they fill the file from its header to its end. */
  tensors: ReadonlyMap<string, TensorEntry>;
}

const size = z.int().min(0);
const entrySchema = z.strictObject({
  dtype: z.enum(Object.keys(ITEM_BITS) as [Dtype, ...Dtype[]]),
  shape: z.array(size).max(MAX_DIMENSIONS),
  data_offsets: z.tuple([size, size]),
});

/**
 * Reads the header of a file.
 *
 * @throws OxboardError MODEL_INVALID when it cannot be read or is not a whole and sound file.
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  const { header, fileBytes } = await readHeader(path);
  const entries = Object.entries(parseHeader(header, path));
  const dataStart = LENGTH_BYTES + header.length;
  const metadata = new Map<string, string>();
  const tensors: TensorEntry[] = [];
  for (const [name, value] of entries) {
    if (name === '__metadata__') {
      for (const [key, text] of metadataEntries(value, path)) metadata.set(key, text);
    } else tensors.push(tensorEntry(name, value, dataStart, path));
  }
  checkLayout(tensors, dataStart, fileBytes, path);
  return { path, metadata, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])) };
}

/** An error about a file of weights. */
export function badWeights(path: string, why: string, cause?: unknown): OxboardError {
  return new OxboardError('MODEL_INVALID', `${path} cannot be used: ${why}`, { cause });
}

async function readHeader(path: string): Promise<{ header: Buffer; fileBytes: number }> {
  let file;
  try {
    const info = await stat(path);
    // Opening a pipe would wait for its other end.
    if (!info.isFile()) throw badWeights(path, 'it is no file');
    file = await open(path, 'r');
    const length = await readExactly(file, 0, LENGTH_BYTES, path);
    const headerBytes = length.readBigUInt64LE();
    if (headerBytes > BigInt(MAX_HEADER_BYTES) || Number(headerBytes) > info.size - LENGTH_BYTES) {
      throw badWeights(path, 'it is no safetensors file, or its header is damaged');
    }
    const header = await readExactly(file, LENGTH_BYTES, Number(headerBytes), path);
    return { header, fileBytes: info.size };
  } catch (error) {
    if (error instanceof OxboardError) throw error;
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw badWeights(path, `reading it fails (${code})`, error);
  } finally {
    await file?.close();
  }
}

type File = Awaited<ReturnType<typeof open>>;

async function readExactly(file: File, position: number, length: number, path: string) {
  const buffer = Buffer.alloc(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) throw badWeights(path, 'it ends within its header');
    done += bytesRead;
  }
  return buffer;
}

function parseHeader(header: Buffer, path: string): object {
  let text: string;
  let json: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
    json = JSON.parse(text);
  } catch (cause) {
    throw badWeights(path, 'its header is not JSON', cause);
  }
  if (json === null || typeof json !== 'object' || Array.isArray(json)) {
    throw badWeights(path, 'its header is not a JSON object');
  }
  if (hasTwins(text, json)) throw badWeights(path, 'its header has a key twice');
  return json;
}

/** Whether valid JSON names a key twice: `JSON.parse` keeps the last one and says nothing. */
function hasTwins(text: string, json: unknown): boolean {
  let kept = 0;
  const open = [json];
  while (open.length > 0) {
    const value = open.pop();
    if (value === null || typeof value !== 'object') continue;
    const inner: unknown[] = Object.values(value);
    if (!Array.isArray(value)) kept += inner.length;
    for (const item of inner) open.push(item);
  }
  return keysIn(text) !== kept;
}

/** How many keys valid JSON writes down: the colons outside of its texts. */
function keysIn(text: string): number {
  let keys = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (quoted && character === '\\') at++;
    else if (character === '"') quoted = !quoted;
    else if (character === ':' && !quoted) keys++;
  }
  return keys;
}

function metadataEntries(value: unknown, path: string): [string, string][] {
  const entries = value !== null && typeof value === 'object' ? Object.entries(value) : undefined;
  const isText = (entry: [string, unknown]): entry is [string, string] =>
    typeof entry[1] === 'string';
  if (!entries || Array.isArray(value) || !entries.every(isText)) {
    throw badWeights(path, 'its metadata are not texts');
  }
  return entries;
}

function tensorEntry(name: string, value: unknown, dataStart: number, path: string): TensorEntry {
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw badWeights(path, `its tensor ${quote(name)} is malformed (${issue?.message ?? ''})`);
  }
  const { dtype, shape, data_offsets: place } = parsed.data;
  const [begin, end] = place;
  const bits = numberOfItems(shape) * ITEM_BITS[dtype];
  if (!Number.isSafeInteger(bits) || !Number.isSafeInteger(end) || bits !== (end - begin) * 8) {
    throw badWeights(path, `its tensor ${quote(name)} has another size than its shape says`);
  }
  return { name, dtype, shape, offset: dataStart + begin, bytes: end - begin };
}

/** How many numbers a tensor of that shape has; not exact beyond 2^53. */
export const numberOfItems = (shape: readonly number[]): number =>
  shape.reduce((product, length) => product * length, 1);

/** Sorts the tensors by place. Each byte of the data has to belong to exactly one. */
function checkLayout(tensors: TensorEntry[], dataStart: number, fileBytes: number, path: string) {
  tensors.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  let end = dataStart;
  for (const { name, offset, bytes } of tensors) {
    if (offset !== end) {
      const flaw = offset < end ? 'overlaps with another one' : 'follows a gap';
      throw badWeights(path, `its tensor ${quote(name)} ${flaw}`);
    }
    end = offset + bytes;
  }
  if (end !== fileBytes) {
    const flaw = end > fileBytes ? 'its end is missing' : 'it goes on after its last tensor';
    throw badWeights(path, `${flaw} (${fileBytes} bytes instead of ${end})`);
  }
}

/** A name out of a file, for a message: nothing in it reaches a terminal as it is. */
export const quote = (name: string): string =>
  JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}...` : name);

/**
 * The place of a tensor that is to fill `target`.
 *
 * @throws OxboardError MODEL_INVALID unless it holds floating-point numbers in that shape.
 */
export function floatsOf(
  { path }: SafetensorsFile,
  { dtype, shape, offset, bytes }: TensorEntry,
  target: { name: string; shape: readonly number[] },
): PlainSource {
  if (dtype !== 'F16' && dtype !== 'BF16' && dtype !== 'F32') {
    throw badWeights(path, `its ${target.name} is of type ${dtype}, not F16, BF16 or F32`);
  }
  const [found, due] = [shape.join(' x '), target.shape.join(' x ')];
  if (found !== due) {
    throw badWeights(
      path,
      `its ${target.name} has the shape ${found || 'of a number'}, not ${due}`,
    );
  }
  return { dtype, offset, bytes };
}
