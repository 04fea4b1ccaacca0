/**
 * Which sources are separated, and which stems are made of them.
 */
import { parseMix, type JobOptions } from '../options.js';

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
  /** How many of the first outputs add up to the song, as far as the model can; 0 when none do. */
  summands: number;
  /** Whether what the sources leave of the song is spread over them. */
  consistent: boolean;
}

type PlanOptions = Pick<JobOptions, 'stems' | 'twoStems' | 'otherMethod'> &
  Partial<Pick<JobOptions, 'mix' | 'mixtureConsistent'>>;

/** @param options that passed the check of model-options.ts. */
export function planStems(modelSources: readonly string[], options: PlanOptions): StemPlan {
  const { mix = [], mixtureConsistent = false } = options;
  const stems = stemsOf(modelSources, options);
  const mixes = mix.map(parseMix).map(({ name, stems: parts }) =>
    sum(
      name,
      modelSources.filter((source) => parts.includes(source)),
    ),
  );
  const outputs = [...stems, ...mixes];
  const needed = new Set(outputs.flatMap(({ added, subtracted }) => [...added, ...subtracted]));
  const summed = stems.flatMap(({ fromMixture, added }) => (fromMixture ? [] : added));
  return {
    sources: modelSources.filter((name) => mixtureConsistent || needed.has(name)),
    outputs,
    summands: summed.length === modelSources.length ? stems.length : 0,
    consistent: mixtureConsistent,
  };
}

function stemsOf(
  modelSources: readonly string[],
  { stems, twoStems, otherMethod }: PlanOptions,
): StemOutput[] {
  if (twoStems === undefined) {
    return modelSources.filter((name) => !stems || stems.includes(name)).map(source);
  }
  const first = source(twoStems);
  switch (otherMethod) {
    case 'add':
      return [
        first,
        sum(
          `no_${twoStems}`,
          modelSources.filter((name) => name !== twoStems),
        ),
      ];
    case 'minus':
      return [
        first,
        { name: `minus_${twoStems}`, fromMixture: true, added: [], subtracted: [twoStems] },
      ];
    case 'none':
      return [first];
  }
}

const sum = (name: string, added: readonly string[]): StemOutput => ({
  name,
  fromMixture: false,
  added,
  subtracted: [],
});

const source = (name: string): StemOutput => sum(name, [name]);
