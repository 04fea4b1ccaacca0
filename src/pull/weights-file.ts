/**
 * Reads a published file of weights: which network it belongs to, and the data of each parameter.
 */
import { z } from 'zod';
import { restoreTasks, type QuantisedSource } from './diffq.js';
import {
  badWeights,
  floatsOf,
  quote,
  readSafetensors,
  type PlainSource,
  type SafetensorsFile,
} from './safetensors.js';
import { findSkeleton, type FittingSkeleton, type Skeleton } from './skeletons.js';

/** What fills one parameter; `name` is the attribute of the graph. */
export type ParameterSource = { name: string } & (PlainSource | QuantisedSource);

export interface PublishedNetwork extends FittingSkeleton {
  /** One for each parameter of the skeleton. */
  parameters: ParameterSource[];
}

/**
 * Reads the header of a published file and checks it against the network's parameters: each has its
 * weights once, of its own shape, and nothing is left over.
 *
 * @throws OxboardError MODEL_INVALID, MODEL_ARCHITECTURE_UNKNOWN.
 */
export async function readWeightsFile(path: string): Promise<PublishedNetwork> {
  const file = await readSafetensors(path);
  const klass = file.metadata.get('klass');
  if (klass === undefined) throw badWeights(path, 'it does not say which network it is of');
  const args = metadataJson(file, 'args', z.array(z.unknown()));
  const kwargs = metadataJson(file, 'kwargs', z.record(z.string(), z.unknown()));
  const fitting = await findSkeleton(klass, args, kwargs);
  const sources = file.metadata.has('structure')
    ? restoreTasks(file, metadataJson(file, 'structure', z.unknown()), fitting.skeleton)
    : plainTasks(file, fitting.skeleton);
  const parameters = [...sources].map(([name, source]) => ({ name: attribute(name), ...source }));
  return { ...fitting, parameters };
}

/** The graph's name of a parameter: see oxboard_export/trace.py. */
const attribute = (name: string): string => name.replaceAll('.', '__');

function metadataJson<T>(file: SafetensorsFile, key: string, schema: z.ZodType<T>): T {
  let json: unknown;
  try {
    json = JSON.parse(file.metadata.get(key) ?? '');
  } catch (cause) {
    throw badWeights(file.path, `its metadata "${key}" is missing or not JSON`, cause);
  }
  const result = schema.safeParse(json);
  if (!result.success) throw badWeights(file.path, `its metadata "${key}" is malformed`);
  return result.data;
}

function plainTasks(file: SafetensorsFile, { parameters }: Skeleton): Map<string, PlainSource> {
  const sources = new Map<string, PlainSource>();
  for (const parameter of parameters) {
    const tensor = file.tensors.get(parameter.name);
    if (!tensor) throw badWeights(file.path, `it has no ${parameter.name}`);
    sources.set(parameter.name, floatsOf(file, tensor, parameter));
  }
  for (const name of file.tensors.keys()) {
    if (!sources.has(name)) throw badWeights(file.path, `its network has no ${quote(name)}`);
  }
  return sources;
}
