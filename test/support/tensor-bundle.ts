/**
 * Writes TensorFlow checkpoints, for tests of what reads them.
 */
import { writeFileSync } from 'node:fs';
import crc32c from 'crc-32/crc32c.js';

export interface BundleTensor {
  name: string;
  shape: number[];
  data: Buffer;
  /** DT_FLOAT unless it says otherwise. */
  dtype?: number;
}

const varint = (value: number): Buffer => {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
};

const mask = (crc: number): number => {
  const value = crc >>> 0;
  return (((value >>> 15) | (value << 17)) + 0xa282ead8) >>> 0;
};

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

const field = (number: number, value: number | Buffer): Buffer =>
  typeof value === 'number'
    ? Buffer.concat([varint(number * 8), varint(value)])
    : Buffer.concat([varint(number * 8 + 2), varint(value.length), value]);

/** Changes the bytes of a block before its checksum is computed. */
type Damage = (block: Buffer) => Buffer;

/** A block with its trailer; keys share what they have in common with the one before. */
function block(entries: readonly [string, Buffer][], damage: Damage = (bytes) => bytes): Buffer {
  const parts: Buffer[] = [];
  let before = '';
  for (const [key, value] of entries) {
    let shared = 0;
    while (shared < key.length && key[shared] === before[shared]) shared++;
    const own = Buffer.from(key.slice(shared));
    parts.push(varint(shared), varint(own.length), varint(value.length), own, value);
    before = key;
  }
  const body = damage(Buffer.concat([...parts, uint32(0), uint32(1)]));
  const checked = Buffer.concat([body, Buffer.of(0)]);
  return Buffer.concat([checked, uint32(mask(crc32c.buf(checked)))]);
}

/** The bytes of an index, and of the data that it is about. */
export function bundleOf(
  tensors: readonly BundleTensor[],
  damage?: Damage,
): { index: Buffer; data: Buffer } {
  let offset = 0;
  const entries = [...tensors]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, shape, data, dtype = 1 }): [string, Buffer] => {
      const dimensions = shape.map((size) => field(2, field(1, size)));
      const value = Buffer.concat([
        field(1, dtype),
        field(2, Buffer.concat(dimensions)),
        ...(offset > 0 ? [field(4, offset)] : []),
        field(5, data.length),
        varint(6 * 8 + 5),
        uint32(mask(crc32c.buf(data))),
      ]);
      offset += data.length;
      return [name, value];
    });
  const header: [string, Buffer] = ['', field(1, 1)];
  const content = block([header, ...entries], damage);
  const handle = (start: number, bytes: Buffer) =>
    Buffer.concat([varint(start), varint(bytes.length - 5)]);
  const about = block([]);
  const blocks = block([['z', handle(0, content)]], damage);
  const footer = Buffer.alloc(48);
  Buffer.concat([
    handle(content.length, about),
    handle(content.length + about.length, blocks),
  ]).copy(footer);
  footer.writeBigUInt64LE(0xdb4775248b80fb57n, 40);
  const sorted = [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    index: Buffer.concat([content, about, blocks, footer]),
    data: Buffer.concat(sorted.map(({ data }) => data)),
  };
}

/** Writes `PREFIX.index` and `PREFIX.data-00000-of-00001`. */
export function writeBundle(prefix: string, tensors: readonly BundleTensor[]): void {
  const { index, data } = bundleOf(tensors);
  writeFileSync(`${prefix}.index`, index);
  writeFileSync(`${prefix}.data-00000-of-00001`, data);
}
