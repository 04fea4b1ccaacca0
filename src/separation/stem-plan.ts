/**
 * Which sources are separated, and which stems are made of them.
 */
import type { JobOptions } from '../options.js';

/** A stem is the mixture (or nothing) plus and minus some sources. */
export interface StemOutput {
  name: string;
  fromMixture: boolean;
  added: readonly string[];
  subtracted: readonly string[];
}

export interface StemPlan {
  /** What the separator is asked for: only what the outputs need. */
  sources: readonly string[];
  outputs: readonly StemOutput[];
  /** Whether all sources of the model are computed, so that their sum can be compared. */
  complete: boolean;
}

/** @param options that passed the check of model-options.ts. */
export function planStems(
  modelSources: readonly string[],
  { stems, twoStems, otherMethod }: Pick<JobOptions, 'stems' | 'twoStems' | 'otherMethod'>,
): StemPlan {
  if (twoStems === undefined) {
    const sources = modelSources.filter((name) => !stems || stems.includes(name));
    return plan(modelSources, sources, sources.map(source));
  }
  const others = modelSources.filter((name) => name !== twoStems);
  const first = source(twoStems);
  switch (otherMethod) {
    case 'add':
      return plan(modelSources, modelSources, [
        first,
        { name: `no_${twoStems}`, fromMixture: false, added: others, subtracted: [] },
      ]);
    case 'minus':
      return plan(
        modelSources,
        [twoStems],
        [
          first,
          { name: `minus_${twoStems}`, fromMixture: true, added: [], subtracted: [twoStems] },
        ],
      );
    case 'none':
      return plan(modelSources, [twoStems], [first]);
  }
}

const source = (name: string): StemOutput => ({
  name,
  fromMixture: false,
  added: [name],
  subtracted: [],
});

const plan = (
  modelSources: readonly string[],
  sources: readonly string[],
  outputs: readonly StemOutput[],
): StemPlan => ({ sources, outputs, complete: sources.length === modelSources.length });
