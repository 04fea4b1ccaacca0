/**
 * The description of weights that DiffQ quantised: `demucs.hf` restores it from the metadata
 * `structure` of a published file, and diffq reads it without names, in the order of the modules.
 */
import { z } from 'zod';
import {
  badWeights,
  floatsOf,
  numberOfItems,
  quote,
  type PlainSource,
  type SafetensorsFile,
  type TensorEntry,
} from './safetensors.js';
import type { Skeleton } from './skeletons.js';

/** Integers of `width` bits in `lines` of `width` x `block` words of 64 bits. */
export interface PackedIntegers {
  /** Bytes from the start of the file. */
  offset: number;
  lines: number;
  width: number;
  block: number;
}

/** Levels between a minimum and a maximum, in as many bits as each group of weights has. */
export interface QuantisedSource {
  groupSize: number;
  /** Bits of each group, less `minBits`. */
  groupBits: PackedIntegers;
  minBits: number;
  /** For each number of bits the levels of all groups that have it. */
  levels: { bits: number; packed: PackedIntegers }[];
  minimum: number;
  maximum: number;
}

const tensorSchema = z.object({ tensor: z.string() });

const quantisedSchema = z.tuple([
  z.array(tensorSchema.nullable()),
  z.tuple([z.number(), z.number()]),
  tensorSchema,
]);

// Defaults are those of diffq.DiffQuantizer.
const quantizerSchema = z.object({
  min_size: z.number().min(0).default(0.01),
  group_size: z.int().min(1).default(1),
  min_bits: z.int().min(1).max(15).default(2),
  float16: z.boolean().default(false),
  exclude: z.array(z.never()).nullish(),
});

const stateSchema = z.object({
  quantized: z.array(quantisedSchema),
  float16: z.array(tensorSchema),
  others: z.array(tensorSchema),
  meta: z.object({
    klass: z.object({ class: z.literal('diffq.diffq.DiffQuantizer') }),
    init_kwargs: quantizerSchema,
    packed: z.literal(true),
    torch_pack: z.literal(false).default(false),
  }),
  __quantized: z.literal(true),
});

const nodeSchema = z.union([
  z.strictObject({ _tensor: z.string() }).transform(({ _tensor }) => ({ tensor: _tensor })),
  z.strictObject({ _class: z.string() }).transform((node) => ({ class: node._class })),
  z.strictObject({ _list: z.array(z.unknown()) }),
  z.strictObject({ _tuple: z.array(z.unknown()) }),
  z.strictObject({ _dict: z.array(z.tuple([z.string(), z.unknown()])) }),
]);

/** More than any state has, and little enough for the stack. */
const MAX_DEPTH = 20;

/** Takes the nodes apart that `_flatten_state` of demucs' tools/export_hf.py writes. */
function unflatten(value: unknown, depth = 0): unknown {
  if (value === null || typeof value !== 'object') return value;
  const node = nodeSchema.safeParse(value);
  // What is no such node fits no schema either.
  if (!node.success || depth > MAX_DEPTH) return undefined;
  const inner = (item: unknown) => unflatten(item, depth + 1);
  if ('_list' in node.data) return node.data._list.map(inner);
  if ('_tuple' in node.data) return node.data._tuple.map(inner);
  if ('_dict' in node.data) {
    return Object.fromEntries(node.data._dict.map(([key, item]) => [key, inner(item)]));
  }
  return node.data;
}

type Quantised = z.output<typeof quantisedSchema>;

/**
 * What fills each parameter of the skeleton, by name.
 *
 * @param structure the metadata of that name, as JSON.
 * @throws OxboardError MODEL_INVALID when the file holds other weights than the quantizer would have
 * made of these parameters.
 */
export function restoreTasks(
  file: SafetensorsFile,
  structure: unknown,
  { parameters }: Skeleton,
): Map<string, PlainSource | QuantisedSource> {
  const parsed = stateSchema.safeParse(unflatten(structure));
  if (!parsed.success) {
    const place = parsed.error.issues[0]?.path.join('.');
    throw badWeights(file.path, `its quantised weights are described in an unknown way (${place})`);
  }
  const { quantized, float16, others, meta } = parsed.data;
  const options = meta.init_kwargs;
  const taken = new Taken(file);
  // Small parameters are not worth quantising: see diffq.base.BaseQuantizer._find_params.
  const smallest = Math.floor((options.min_size * 2 ** 20) / 4);
  const [unquantised, none] = options.float16 ? [float16, others] : [others, float16];
  const waiting = { small: unquantised.values(), large: quantized.values() };
  const sources = new Map<string, PlainSource | QuantisedSource>();
  for (const parameter of parameters) {
    const small = numberOfItems(parameter.shape) <= smallest;
    const next = small ? waiting.small.next() : waiting.large.next();
    if (next.done) throw badWeights(file.path, `it has nothing for ${parameter.name}`);
    const source =
      'tensor' in next.value
        ? floatsOf(file, taken.take(next.value.tensor), parameter)
        : quantisedSource(taken, next.value, options);
    sources.set(parameter.name, source);
  }
  if (!waiting.small.next().done || !waiting.large.next().done || none.length > 0) {
    throw badWeights(file.path, 'it has weights that its network has not');
  }
  taken.checkAll();
  return sources;
}

function quantisedSource(
  taken: Taken,
  [levels, [minimum, maximum], groupBits]: Quantised,
  { group_size: groupSize, min_bits: minBits }: z.output<typeof quantizerSchema>,
): QuantisedSource {
  return {
    groupSize,
    groupBits: taken.packed(groupBits.tensor),
    minBits,
    levels: levels.flatMap((level, index) =>
      level ? [{ bits: index + 1, packed: taken.packed(level.tensor) }] : [],
    ),
    minimum,
    maximum,
  };
}

/** The tensors of a file, each of which has to be taken exactly once. */
class Taken {
  readonly #names = new Set<string>();

  constructor(readonly file: SafetensorsFile) {}

  take(name: string): TensorEntry {
    const tensor = this.file.tensors.get(name);
    if (!tensor) throw badWeights(this.file.path, `it has no tensor ${quote(name)}`);
    if (this.#names.has(name)) throw badWeights(this.file.path, `it names ${quote(name)} twice`);
    this.#names.add(name);
    return tensor;
  }

  packed(name: string): PackedIntegers {
    const { dtype, shape, offset } = this.take(name);
    const [lines, width, block, ...more] = shape;
    if (dtype !== 'I64' || !lines || width === undefined || !block || more.length > 0) {
      throw badWeights(this.file.path, `its tensor ${quote(name)} holds no packed integers`);
    }
    return { offset, lines, width, block };
  }

  checkAll(): void {
    for (const name of this.file.tensors.keys()) {
      if (!this.#names.has(name)) {
        throw badWeights(this.file.path, `nothing refers to its tensor ${quote(name)}`);
      }
    }
  }
}
