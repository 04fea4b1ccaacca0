/**
 * Files of weights as they are published, made of a skeleton's own description and without Python.
 */
import { closeSync, ftruncateSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { randomNumbers } from './random.js';

const folder = fileURLToPath(new URL('../../models/skeletons', import.meta.url));

export interface Description {
  architecture: string;
  klass: string;
  arguments: Record<string, unknown>;
  defaults: Record<string, unknown>;
  sources: string[];
  segment: number;
  minLength: number;
  parameters: { name: string; shape: number[] }[];
}

/** The description of each skeleton by the name of its architecture. */
export const skeletons: ReadonlyMap<string, Description> = new Map(
  readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(path.join(folder, name), 'utf8')) as Description)
    .map((description) => [description.architecture, description]),
);

export function skeleton(architecture: string): Description {
  const description = skeletons.get(architecture);
  if (!description) throw new Error(`no skeleton ${architecture}`);
  return description;
}

const ITEM_BYTES: Record<string, number> = { F16: 2, BF16: 2, F32: 4, I64: 8 };

/** A tensor of a file that is to be written; its data are zeros unless a test writes others. */
export interface Tensor {
  name: string;
  dtype: string;
  shape: readonly number[];
}

const count = (shape: readonly number[]): number => shape.reduce((all, one) => all * one, 1);

/** The header of a file with these tensors one after the other, as an object. */
export function headerOf(
  tensors: readonly Tensor[],
  metadata?: Record<string, string>,
): { header: Record<string, unknown>; dataBytes: number } {
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  let dataBytes = 0;
  for (const { name, dtype, shape } of tensors) {
    const begin = dataBytes;
    dataBytes += count(shape) * (ITEM_BYTES[dtype] ?? 1);
    header[name] = { dtype, shape, data_offsets: [begin, dataBytes] };
  }
  return { header, dataBytes };
}

/**
 * Writes a file with that text as its header.
 *
 * @param dataBytes how much follows: holes, which cost neither time nor space.
 */
export function writeFileWithHeader(file: string, header: string | Buffer, dataBytes: number) {
  const bytes = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  const descriptor = openSync(file, 'w');
  writeSync(descriptor, length);
  writeSync(descriptor, bytes);
  ftruncateSync(descriptor, 8 + bytes.length + dataBytes);
  closeSync(descriptor);
  return 8 + bytes.length;
}

/** What the metadata of a published file say, as a training run records it: all by name. */
export const metadataOf = (
  { klass, defaults, arguments: own }: Description,
  changes: Record<string, unknown> = {},
): Record<string, string> => ({
  klass,
  args: '[]',
  kwargs: JSON.stringify({ ...defaults, ...own, multi_freqs: [], ...changes }),
});

export const tensorsOf = ({ parameters }: Description): Tensor[] =>
  parameters.map(({ name, shape }) => ({ name, dtype: 'F16', shape }));

/** Writes a published file of an architecture, with small random weights unless `sparse`. */
export function writePublished(
  file: string,
  description: Description,
  { sparse = false, changes = {} } = {},
): void {
  const { header, dataBytes } = headerOf(tensorsOf(description), metadataOf(description, changes));
  const start = writeFileWithHeader(file, JSON.stringify(header), dataBytes);
  if (sparse) return;
  const pattern = smallHalves(1 << 19);
  const descriptor = openSync(file, 'r+');
  for (let done = 0; done < dataBytes; done += pattern.length) {
    writeSync(descriptor, pattern, 0, Math.min(pattern.length, dataBytes - done), start + done);
  }
  closeSync(descriptor);
}

/** Numbers of 16 bits with magnitudes from 1/64 to 1/16. */
function smallHalves(numbers: number): Buffer {
  const random = randomNumbers(1);
  const halves = new Uint16Array(numbers).map(() => {
    const sign = random() < 0.5 ? 0x8000 : 0;
    return sign | (9 << 10) | Math.floor(random() * 2048);
  });
  return Buffer.from(halves.buffer);
}

/** A smaller test double of DiffQ: every group has `bits` bits. */
export function quantisedOf(
  description: Description,
  { minSize = 0.2, groupSize = 8, bits = 4 } = {},
): { tensors: Tensor[]; structure: Node; metadata: Record<string, string> } {
  const tensors: Tensor[] = [];
  const tensor = (name: string, dtype: string, shape: number[]): Node => {
    tensors.push({ name, dtype, shape });
    return { _tensor: name };
  };
  const packed = (name: string, values: number, width: number) =>
    tensor(name, 'I64', [Math.ceil(values / 2048), width, 32]);
  const quantized: Node[] = [];
  const others: Node[] = [];
  for (const { shape } of description.parameters) {
    const values = count(shape);
    if (values <= Math.floor((minSize * 2 ** 20) / 4)) {
      others.push(tensor(`state.others.${others.length}`, 'F32', shape));
      continue;
    }
    const stem = `state.quantized.${quantized.length}`;
    const levels = Array.from({ length: 14 }, (_, index) =>
      index + 1 === bits ? packed(`${stem}.0.${index}`, values, bits) : null,
    );
    const groupBits = packed(`${stem}.2`, values / groupSize, 4);
    quantized.push({ _tuple: [{ _list: levels }, { _tuple: [-0.25, 0.25] }, groupBits] });
  }
  const structure: Node = {
    _dict: [
      ['quantized', { _list: quantized }],
      ['float16', { _list: [] }],
      ['others', { _list: others }],
      [
        'meta',
        {
          _dict: [
            [
              'init_kwargs',
              { _dict: Object.entries({ min_size: minSize, group_size: groupSize }) },
            ],
            ['klass', { _class: 'diffq.diffq.DiffQuantizer' }],
            ['packed', true],
            ['torch_pack', false],
          ],
        },
      ],
      ['__quantized', true],
    ],
  };
  const metadata = { ...metadataOf(description), structure: JSON.stringify(structure) };
  return { tensors, structure, metadata };
}

/** A node of the description of a nested state: see demucs.hf. */
export type Node = Record<string, unknown>;
