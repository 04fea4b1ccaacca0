/**
 * Which sources are separated, and which stems are made of them.
 */
import { OxboardError } from '../errors.js';
import { invalidOption, type ResolvedOutputOptions } from '../options.js';

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

/** @throws OxboardError INVALID_OPTION */
export function planStems(
  modelSources: readonly string[],
  options: {
    stems?: readonly string[] | undefined;
    twoStems?: string | undefined;
    otherMethod: ResolvedOutputOptions['otherMethod'];
  },
): StemPlan {
  const { stems, twoStems, otherMethod } = options;
  if (twoStems === undefined) {
    const wanted = stems ?? modelSources;
    const unknown = wanted.find((name) => !modelSources.includes(name));
    if (unknown !== undefined)
      throw invalidOption('stems', `some of ${modelSources.join(', ')}`, unknown);
    const sources = modelSources.filter((name) => wanted.includes(name));
    return plan(modelSources, sources, sources.map(source));
  }

  if (stems !== undefined) {
    throw new OxboardError('INVALID_OPTION', 'Choose stems or two stems, not both');
  }
  if (!modelSources.includes(twoStems)) {
    throw invalidOption('twoStems', `one of ${modelSources.join(', ')}`, twoStems);
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
