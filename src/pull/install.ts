/**
 * Writes the archive of a pulled model, and moves it into place.
 */
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OxboardError } from '../errors.js';
import { parseDescription, type ModelDescription } from '../models/archive.js';
import { UNKNOWN_LICENSE } from '../models/license.js';
import type { PublishedModel } from './catalogue.js';

/** What the published weights say of a network. */
export interface NetworkFacts {
  sources: readonly string[];
  /** Sample frames. */
  segment: number;
  /** Sample frames; equal to `segment` where the network takes one length only. */
  minLength: number;
  sampleRate: number;
  channels: number;
  /** As in model.json; absent: its defaults. */
  normalize?: ModelDescription['normalize'];
  overlapAdd?: ModelDescription['overlapAdd'];
}

/** A network file that was written. */
export interface AssembledMember extends NetworkFacts {
  /** SHA-256 of the network file. */
  sha256: string;
}

export interface AssembleTask {
  family: PublishedModel['family'];
  /** Path of the published file. */
  weights: string;
  /** Path of the network file to write; nothing may be there. After an error nothing is. */
  out: string;
  signal?: AbortSignal | undefined;
}

/** Makes a network file of published weights: see assembleMember. Tests have their own. */
export type Assemble = (task: AssembleTask) => Promise<AssembledMember>;

export interface ArchiveTask {
  model: PublishedModel;
  /** Files of weights, by the signatures of their networks. */
  weights: ReadonlyMap<string, string>;
  /** Where the weights came from, for the archive's description. */
  origin: string;
  /** Whether no file is known to differ from the published one. */
  published: boolean;
  torch: string | undefined;
  assemble: Assemble;
  /** @param fraction of the networks that are done. */
  onProgress: (fraction: number) => void;
  signal: AbortSignal;
}

/**
 * Writes an archive into the empty folder `directory`.
 *
 * @throws OxboardError MODEL_INVALID when a network does not fit the catalogue; what `assemble` throws.
 */
export async function writeArchive(
  directory: string,
  task: ArchiveTask,
): Promise<ModelDescription> {
  const { model, weights, assemble, onProgress, signal } = task;
  await mkdir(directory, { recursive: true });
  const networks = new Map<string, AssembledMember>();
  for (const [signature, file] of weights) {
    onProgress(networks.size / weights.size);
    const out = join(directory, fileOf(signature));
    const network = await assemble({ family: model.family, weights: file, out, signal });
    signal.throwIfAborted();
    checkSources(model, signature, network);
    await flush(out);
    networks.set(signature, network);
  }
  const file = join(directory, 'model.json');
  const text = `${JSON.stringify(describe(task, networks), undefined, 2)}\n`;
  const description = parseDescription(text, file);
  await writeFile(file, text, { flush: true });
  return description;
}

const fileOf = (signature: string): string => `${signature}.pt`;

function checkSources({ sources }: PublishedModel, signature: string, network: AssembledMember) {
  if (sources.join() === network.sources.join()) return;
  throw new OxboardError(
    'MODEL_INVALID',
    `${signature} separates ${network.sources.join(', ')} instead of ${sources.join(', ')}. ` +
      'Try another --source',
  );
}

function describe(
  { model, origin, published, torch }: ArchiveTask,
  networks: ReadonlyMap<string, AssembledMember>,
): object {
  const all = [...networks.values()];
  const [first] = all;
  if (!first) throw new OxboardError('INTERNAL', `${model.name} has no networks`);
  const { sampleRate, channels, normalize, overlapAdd } = first;
  if (all.some((one) => one.sampleRate !== sampleRate || one.channels !== channels)) {
    throw new OxboardError('MODEL_INVALID', `The networks of ${model.name} do not fit together`);
  }
  const own = Math.max(...all.map(({ segment }) => segment));
  const segment =
    model.segmentSeconds === undefined ? own : Math.floor(model.segmentSeconds * sampleRate);
  return {
    name: model.name,
    family: model.family,
    sources: model.sources,
    sampleRate,
    channels,
    segment,
    minLength: Math.max(...all.map(({ minLength }) => minLength)),
    normalize,
    overlapAdd,
    members: model.members.map(({ signature, weights }) => ({
      file: fileOf(signature),
      sha256: networks.get(signature)?.sha256,
      weights,
    })),
    torch,
    origin,
    license: published ? model.license : UNKNOWN_LICENSE,
    ...(!published && { notice: 'its weights are not the published ones' }),
  };
}

/**
 * Moves a finished archive into place, and removes an older one from there.
 *
 * @param aside a path in the same file system to which the older one is moved first.
 */
export async function install(directory: string, target: string, aside: string): Promise<void> {
  await flushFolder(directory);
  await rm(aside, { recursive: true, force: true });
  const replaces = await rename(target, aside).then(
    () => true,
    (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    },
  );
  try {
    await rename(directory, target);
  } catch (error) {
    if (replaces) await rename(aside, target);
    throw error;
  }
  await rm(aside, { recursive: true, force: true });
  await flushFolder(join(target, '..'));
}

/** Without this, a power failure could leave an installed archive with empty files. */
async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function flushFolder(directory: string): Promise<void> {
  // Some network file systems cannot flush a folder.
  await flush(directory).catch(() => undefined);
}
