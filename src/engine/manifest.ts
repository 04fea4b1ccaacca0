/**
 * What made a result: enough to make it again, and to tell whether two results must be equal.
 */
import { packageVersion } from '../lib/package-version.js';
import type { Part } from '../model-options.js';
import type { ModelDescription } from '../models/archive.js';
import type { NativePlan } from '../native.js';
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
  /** Whether the GPU was allowed products of reduced precision; never on the CPU. */
  tf32: boolean;
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
    mix?: string[];
    mixtureConsistent?: true;
    /** The part of the song that was separated, in sample frames. */
    start: number;
    end: number;
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
  tf32: boolean;
  stems: string[];
  seed: number;
  options: Pick<ResolvedSeparateOptions, 'shifts' | 'mix' | 'mixtureConsistent'>;
  part: Part;
  plan: NativePlan;
  /** Channels that the networks were given. */
  channels: number;
  libtorch: string;
}

export function makeManifest(facts: ManifestFacts): Manifest {
  const { model, stems, options, part, plan } = facts;
  return {
    model: {
      name: model.name,
      sources: model.sources,
      sampleRate: model.sampleRate,
      members: model.members.map(({ file, sha256, weights }) => ({
        file,
        sha256,
        run: plan.sources.some((source) => weights[source] !== 0),
      })),
    },
    device: facts.device,
    threads: facts.threads,
    tf32: facts.tf32,
    seed: facts.seed,
    options: {
      stems,
      shifts: options.shifts,
      overlap: plan.overlap,
      segment: plan.segment,
      transitionPower: plan.transitionPower,
      batchSize: plan.batchSize,
      ...(options.mix && { mix: options.mix }),
      ...(options.mixtureConsistent && { mixtureConsistent: true }),
      ...part,
    },
    shiftOffsets: plan.shiftOffsets,
    input: {
      frames: plan.length,
      channels: facts.channels,
      mean: plan.mean,
      deviation: plan.deviation,
    },
    stems: Object.fromEntries(stems.map((stem) => [stem, { gain: 1 }])),
    versions: { oxboard: packageVersion, libtorch: facts.libtorch, node: process.versions.node },
  };
}
