/**
 * What made a result: enough to make it again, and to tell whether two results must be equal.
 */
import type { ModelDescription } from '../models/archive.js';
import type { ResolvedSeparateOptions } from '../options.js';

export interface Manifest {
  model: {
    name: string;
    sources: readonly string[];
    sampleRate: number;
    /** Every bag member, and whether the requested stems needed it. */
    members: { file: string; sha256: string; run: boolean }[];
  };
  device: string;
  threads: number;
  /** Where the shifts came from; drawn when the caller gave none. */
  seed: number;
  options: {
    stems: string[];
    shifts: number;
    overlap: number;
    /** Sample frames of a chunk. */
    segment: number;
    transitionPower: number;
    batchSize: number;
  };
  /** Offsets in sample frames, for each bag member and shift. */
  shiftOffsets: number[][];
  /** The input, as it was normalised. */
  input: { frames: number; channels: number; mean: number; deviation: number };
  /** By how much each stem was multiplied before it was handed over or written; 1: not at all. */
  stems: Record<string, { gain: number }>;
  versions: { oxboard: string; libtorch: string; node: string };
}

export interface ManifestFacts {
  model: ModelDescription;
  device: string;
  threads: number;
  stems: string[];
  options: ResolvedSeparateOptions & { seed: number };
  segment: number;
  shiftOffsets: number[][];
  input: Manifest['input'];
  versions: Manifest['versions'];
}

export function makeManifest(facts: ManifestFacts): Manifest {
  const { model, stems, options } = facts;
  const indices = stems.map((stem) => model.sources.indexOf(stem));
  return {
    model: {
      name: model.name,
      sources: model.sources,
      sampleRate: model.sampleRate,
      members: model.members.map(({ file, sha256, weights }) => ({
        file,
        sha256,
        run: indices.some((index) => weights[index] !== 0),
      })),
    },
    device: facts.device,
    threads: facts.threads,
    seed: options.seed,
    options: {
      stems,
      shifts: options.shifts,
      overlap: options.overlap,
      segment: facts.segment,
      transitionPower: options.transitionPower,
      batchSize: options.batchSize,
    },
    shiftOffsets: facts.shiftOffsets,
    input: facts.input,
    stems: Object.fromEntries(stems.map((stem) => [stem, { gain: 1 }])),
    versions: facts.versions,
  };
}
