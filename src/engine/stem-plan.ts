/**
 * Which sources are separated, and which stems are made of them.
 */
import { parseMix, type ResolvedOutputOptions, type ResolvedSeparateOptions } from '../options.js';

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

type PlanOptions = Partial<
  Pick<ResolvedSeparateOptions, 'stems' | 'mix' | 'mixtureConsistent'> &
    Pick<ResolvedOutputOptions, 'twoStems' | 'otherMethod'>
>;

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
  { stems, twoStems, otherMethod = 'add' }: PlanOptions,
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

/**
 * The samples of each output.
 *
 * @param song the same samples of the song; needed where the plan has it in an output or is consistent.
 * @param sources those of the plan's sources, in their order; changed where the plan is consistent.
 */
export function samplesOfStems(
  { outputs, consistent, sources: names }: StemPlan,
  song: Float32Array,
  sources: readonly Float32Array[],
): Float32Array[] {
  if (consistent) spreadRest(song, sources);
  const samplesOf = (name: string) => sources[names.indexOf(name)] as Float32Array;
  return outputs.map(({ name, fromMixture, added, subtracted }) => {
    if (added[0] === name) return samplesOf(name);
    // In float32, in the order of the sources.
    const total = fromMixture ? song.slice() : new Float32Array(sources[0]?.length ?? 0);
    for (const other of added) accumulate(total, samplesOf(other), 1);
    for (const other of subtracted) accumulate(total, samplesOf(other), -1);
    return total;
  });
}

/** Spreads what the sources leave of the song evenly over them. */
function spreadRest(song: Float32Array, sources: readonly Float32Array[]): void {
  for (let at = 0; at < song.length; at++) {
    let rest = song[at] as number;
    for (const source of sources) rest -= source[at] as number;
    for (const source of sources) source[at] = (source[at] as number) + rest / sources.length;
  }
}

function accumulate(total: Float32Array, samples: Float32Array, sign: 1 | -1): void {
  for (let at = 0; at < total.length; at++) {
    total[at] = (total[at] as number) + sign * (samples[at] as number);
  }
}
