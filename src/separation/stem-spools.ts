/**
 * From the mixture's spool to one float32 spool per output, block by block as the network gives
 * them.
 */
import { SpoolReader, SpoolWriter, type Spool } from '../audio/spool.js';
import type { SeparateOptions } from '../options.js';
import type { AudioSource } from '../source.js';
import { NullTest } from './null-test.js';
import type { StemOutput, StemPlan } from './stem-plan.js';
import type { Workspace } from './workspace.js';

type Stems = Record<string, readonly Float32Array[]>;

/** What is needed of a Separator. */
export interface StemSeparator {
  readonly model: {
    readonly name: string;
    readonly sources: readonly string[];
    readonly sampleRate: number;
    readonly channels: number;
  };
  stream(
    source: AudioSource,
    options: SeparateOptions,
  ): AsyncIterable<{ offset: number; frames: number; stems: Stems }> & {
    /** Known once the first block has come. */
    readonly manifest: object | undefined;
  };
}

export interface SeparatedStems {
  /** In the order of the plan's outputs. */
  spools: Spool[];
  /** Null when not all stems were computed, or when the song is silent. */
  nullTestDb: number | null;
  manifest: object;
}

export async function separateToSpools(
  separator: StemSeparator,
  mixture: Spool,
  plan: StemPlan,
  workspace: Workspace,
  options: SeparateOptions,
): Promise<SeparatedStems> {
  const nullTest = plan.complete ? new NullTest() : undefined;
  const needsMixture = plan.complete || plan.outputs.some(({ fromMixture }) => fromMixture);
  const reader = await SpoolReader.open(mixture);
  const writers: SpoolWriter[] = [];
  try {
    for (const index of plan.outputs.keys()) {
      writers.push(await SpoolWriter.create(workspace.path(`${String(index)}.f32`), mixture));
    }
    const stream = separator.stream(mixture, { ...options, stems: [...plan.sources] });
    for await (const { offset, frames, stems } of stream) {
      const song = needsMixture ? await reader.read(offset, frames) : [];
      nullTest?.add(song, Object.values(stems));
      await Promise.all(
        writers.map((writer, index) =>
          writer.write(mix(plan.outputs[index] as StemOutput, song, stems)),
        ),
      );
    }
    const { manifest = {} } = stream;
    const spools = await Promise.all(writers.map((writer) => writer.finish()));
    return { spools, nullTestDb: nullTest?.decibels ?? null, manifest };
  } finally {
    await Promise.all([reader, ...writers].map((file) => file.close()));
  }
}

/** One output's samples: a source as it is, or a sum in float32 in the order of the sources. */
function mix(
  output: StemOutput,
  song: readonly Float32Array[],
  stems: Stems,
): readonly Float32Array[] {
  const { fromMixture, added, subtracted } = output;
  const [first = ''] = added;
  const start = fromMixture ? song : (stems[first] ?? []);
  const plus = fromMixture ? added : added.slice(1);
  if (plus.length === 0 && subtracted.length === 0) return start;
  return start.map((samples, channel) => {
    const sum = samples.slice();
    for (const name of plus) accumulate(sum, stems[name]?.[channel], 1);
    for (const name of subtracted) accumulate(sum, stems[name]?.[channel], -1);
    return sum;
  });
}

function accumulate(sum: Float32Array, samples: Float32Array = new Float32Array(), sign: number) {
  for (let frame = 0; frame < samples.length; frame++) {
    sum[frame] = (sum[frame] as number) + sign * (samples[frame] as number);
  }
}
