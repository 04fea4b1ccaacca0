/**
 * Skeletons: the graphs without weights of this package, one for each architecture of the published
 * networks. Finds the one that fits a network.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { OxboardError } from '../errors.js';
import { sha256OfFile } from '../lib/hash.js';

const FOLDER = fileURLToPath(new URL('../../models/skeletons', import.meta.url));

const positive = z.int().min(1);
const skeletonSchema = z.object({
  architecture: z.string(),
  klass: z.string(),
  /** The arguments that change what a network computes from its weights. */
  arguments: z.record(z.string(), z.json()),
  /** Every argument of the constructor in its order, with its default. */
  defaults: z.record(z.string(), z.json()),
  sources: z.array(z.string()).min(1),
  sampleRate: positive,
  channels: positive,
  segment: positive,
  minLength: positive,
  sha256: z.string(),
  torch: z.string(),
  parameters: z.array(
    z.object({ name: z.string(), shape: z.array(positive), dtype: z.literal('float32') }),
  ),
});

/**
 * A graph whose parameters are to be filled in. `segment` and `minLength` are in sample frames, equal
 * where the graph takes one length only. `parameters` are in the order of the network's modules.
 */
export type Skeleton = Readonly<z.output<typeof skeletonSchema>> & {
  /** Path of its TorchScript file. */
  file: string;
};

/** A skeleton, and what the arguments of one network say besides. */
export interface FittingSkeleton {
  skeleton: Skeleton;
  sources: readonly string[];
  /** Sample frames of the segments that the network was trained with. */
  segment: number;
}

/** Every skeleton. */
export async function listSkeletons(): Promise<Skeleton[]> {
  const files = (await readdir(FOLDER)).filter((name) => name.endsWith('.json')).sort();
  return Promise.all(
    files.map(async (name) => {
      const path = join(FOLDER, name);
      const skeleton = skeletonSchema.parse(JSON.parse(await readFile(path, 'utf8')));
      return { ...skeleton, file: path.replace(/\.json$/, '.pt') };
    }),
  );
}

/**
 * Finds the skeleton of a network that was made by `klass(*args, **kwargs)`. Like demucs, it ignores
 * arguments that the class does not have.
 *
 * @param klass dotted path of the Python class.
 * @param args positional arguments, in JSON as published files write them.
 * @throws OxboardError MODEL_ARCHITECTURE_UNKNOWN naming what no skeleton has, MODEL_INVALID when the
 * class could not be called so.
 */
export async function findSkeleton(
  klass: string,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
): Promise<FittingSkeleton> {
  const skeletons = await listSkeletons();
  const related = skeletons.filter((skeleton) => skeleton.klass === klass);
  const [first] = related;
  if (!first) {
    const known = [...new Set(skeletons.map((skeleton) => skeleton.klass))].join(' and ');
    throw unknown(`a ${shorten(klass)}; there are graphs of ${known}`);
  }
  const bound = bind(first.defaults, args, kwargs);
  const candidates = related.map((skeleton) => ({
    skeleton,
    differences: differences(skeleton, bound),
  }));
  candidates.sort((a, b) => a.differences.length - b.differences.length);
  const [best] = candidates;
  if (!best || best.differences.length > 0) {
    throw unknown(`a ${klass} with ${best?.differences.join(', ')}`);
  }
  const { skeleton } = best;
  return { skeleton, sources: sourcesOf(bound), segment: segmentOf(skeleton, bound) };
}

function unknown(what: string): OxboardError {
  return new OxboardError(
    'MODEL_ARCHITECTURE_UNKNOWN',
    `The network is ${what}. It can be had through Python: oxboard models export NAME --repo DIR`,
  );
}

const malformed = (why: string) =>
  new OxboardError('MODEL_INVALID', `The arguments of the network are malformed: ${why}`);

function bind(
  defaults: Skeleton['defaults'],
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
): Map<string, unknown> {
  const names = Object.keys(defaults);
  if (args.length > names.length) throw malformed(`${args.length} are given without names`);
  const positional = names.slice(0, args.length);
  const bound = new Map<string, unknown>(Object.entries(defaults));
  positional.forEach((name, index) => bound.set(name, args[index]));
  for (const [name, value] of Object.entries(kwargs)) {
    if (positional.includes(name)) throw malformed(`${name} is given twice`);
    if (bound.has(name)) bound.set(name, value);
  }
  return bound;
}

function differences(skeleton: Skeleton, bound: ReadonlyMap<string, unknown>): string[] {
  return Object.entries(skeleton.arguments).flatMap(([name, wanted]) => {
    const value = bound.get(name);
    if (name === 'sources') {
      const [count, due] = [sourcesOf(bound).length, skeleton.sources.length];
      return count === due ? [] : [`${count} sources instead of ${due}`];
    }
    if (isDeepStrictEqual(plain(value), plain(wanted))) return [];
    return [`${name}=${shorten(JSON.stringify(value))} instead of ${JSON.stringify(wanted)}`];
  });
}

const fractionSchema = z.object({
  _type: z.literal('fraction'),
  numerator: z.int(),
  denominator: positive,
});

/** A value as demucs' constructors see it: no list is an empty list. */
function plain(value: unknown): unknown {
  if (Array.isArray(value) && value.length === 0) return null;
  const fraction = fractionSchema.safeParse(value);
  return fraction.success ? fraction.data.numerator / fraction.data.denominator : value;
}

function sourcesOf(bound: ReadonlyMap<string, unknown>): string[] {
  const result = z.array(z.string().max(100)).min(1).max(64).safeParse(bound.get('sources'));
  if (!result.success) throw malformed('they name no sources');
  return result.data;
}

const MAX_SEGMENT_SECONDS = 3600;

function segmentOf({ sampleRate, minLength }: Skeleton, bound: ReadonlyMap<string, unknown>) {
  const value = bound.get('segment');
  const fraction = fractionSchema.safeParse(value);
  // Multiplied first, and so exact: demucs has rational numbers here.
  const frames = fraction.success
    ? (sampleRate * fraction.data.numerator) / fraction.data.denominator
    : typeof value === 'number'
      ? sampleRate * value
      : NaN;
  if (!(frames >= minLength && frames <= sampleRate * MAX_SEGMENT_SECONDS)) {
    throw malformed(`a segment of ${shorten(JSON.stringify(value))} seconds`);
  }
  return Math.floor(frames);
}

/** Text out of a file, for a message. */
const shorten = (text = 'nothing'): string => {
  const visible = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
  return visible.length > 100 ? `${visible.slice(0, 100)}...` : visible;
};

/**
 * Compares a skeleton with its checksum: it holds code for libtorch's interpreter.
 *
 * @throws OxboardError MODEL_CHECKSUM.
 */
export async function verifySkeleton({ file, sha256 }: Skeleton): Promise<void> {
  if ((await sha256OfFile(file)) !== sha256) {
    throw new OxboardError(
      'MODEL_CHECKSUM',
      `${file} differs from its checksum. Install oxboard-demucs anew`,
    );
  }
}
