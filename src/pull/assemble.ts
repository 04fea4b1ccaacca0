/**
 * Makes a network file of an archive from published weights and a graph of this package.
 */
import { rm } from 'node:fs/promises';
import { sha256OfFile } from '../lib/hash.js';
import type { AssembledMember } from './install.js';
import { readWeightsFile } from './weights-file.js';
import { verifySkeleton } from './skeletons.js';
import { fromNative, loadNative } from '../native.js';

export interface AssembleTask {
  /** Path of the published safetensors file. */
  weights: string;
  /** Path of the network file to write; nothing may be there. After an error nothing is. */
  out: string;
  signal?: AbortSignal | undefined;
}

/**
 * Fills the graph of a published network with its weights. The work runs on the libuv threadpool,
 * within a few seconds, and takes memory for the weights once.
 *
 * @throws OxboardError MODEL_INVALID for a damaged file, MODEL_ARCHITECTURE_UNKNOWN for a network
 * without a graph, MODEL_CHECKSUM, DISK_FULL, OUTPUT_UNWRITABLE, OUT_OF_MEMORY; `signal.reason` when
 * aborted.
 */
export async function assembleMember(task: AssembleTask): Promise<AssembledMember> {
  const { weights, out, signal } = task;
  const { skeleton, sources, segment, parameters } = await readWeightsFile(weights);
  await verifySkeleton(skeleton);
  signal?.throwIfAborted();
  try {
    await loadNative().fillSkeleton({ skeleton: skeleton.file, weights, out, parameters });
  } catch (error) {
    throw fromNative(error);
  }
  try {
    const sha256 = await sha256OfFile(out, { signal });
    const { minLength, sampleRate, channels } = skeleton;
    return { sha256, sources, segment, minLength, sampleRate, channels };
  } catch (error) {
    await rm(out, { force: true });
    throw error;
  }
}
