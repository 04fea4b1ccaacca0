/**
 * From the mixture's spool to one float32 spool per output, block by block as the network gives
 * them.
 */
import { FRAMES_PER_BLOCK } from '../audio/pcm.js';
import { Spool, SpoolReader, SpoolWriter } from '../audio/spool.js';
import type { StreamOptions } from '../options.js';
import type { AudioSource } from '../engine/audio-source.js';
import { CheckpointWriter, connected, type Checkpoints } from './checkpoints.js';
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
    /** Sample frames of the longest segment. */
    readonly segment: number;
  };
  stream(
    source: AudioSource,
    options: StreamOptions,
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
  options: StreamOptions,
  checkpoints?: Checkpoints,
): Promise<SeparatedStems> {
  const nullTest = plan.complete ? new NullTest() : undefined;
  const needsMixture = plan.complete || plan.outputs.some(({ fromMixture }) => fromMixture);
  const reader = await SpoolReader.open(mixture);
  const writers: SpoolWriter[] = [];
  const write = async (rows: readonly (readonly Float32Array[])[], song: Float32Array[]) => {
    nullTest?.add(song, rows);
    await Promise.all(writers.map((writer, index) => writer.write(rows[index] ?? [])));
  };
  let kept: CheckpointWriter | undefined;
  try {
    for (const index of plan.outputs.keys()) {
      writers.push(await SpoolWriter.create(workspace.path(`${String(index)}.f32`), mixture));
    }
    let resumeFrom = 0;
    if (checkpoints) {
      for await (const rows of restoredFrames(checkpoints, mixture, plan.outputs.length)) {
        const frames = rows[0]?.[0]?.length ?? 0;
        await write(rows, needsMixture ? await reader.read(resumeFrom, frames) : []);
        resumeFrom += frames;
      }
      kept = new CheckpointWriter(checkpoints, workspace, mixture, plan.outputs.length, resumeFrom);
    }
    const stream = separator.stream(mixture, { ...options, stems: [...plan.sources], resumeFrom });
    for await (const { offset, frames, stems } of stream) {
      const song = needsMixture ? await reader.read(offset, frames) : [];
      const rows = plan.outputs.map((output) => mix(output, song, stems));
      await write(rows, song);
      await kept?.write(rows);
    }
    const { manifest = {} } = stream;
    const spools = await Promise.all(writers.map((writer) => writer.finish()));
    return { spools, nullTestDb: nullTest?.decibels ?? null, manifest };
  } finally {
    await Promise.all([reader, ...writers, ...(kept ? [kept] : [])].map((file) => file.close()));
  }
}

/** What earlier attempts finished, block by block: for each output one array per channel. */
async function* restoredFrames(
  checkpoints: Checkpoints,
  mixture: Spool,
  outputs: number,
): AsyncGenerator<Float32Array[][], void, undefined> {
  const { sampleRate, channelCount } = mixture;
  const parts = connected(await checkpoints.parts());
  const end = parts.reduce((sum, { frames }) => sum + frames, 0);
  // They are of another song or plan, and of no use.
  if (end > mixture.frames || parts.some(({ files }) => files.length !== outputs)) return;
  for (const { frames, files } of parts) {
    // Whether a part is silent is not known; NaN makes it read.
    const spools = files.map((file) => new Spool(file, sampleRate, channelCount, frames, NaN));
    const readers = await Promise.all(spools.map((spool) => SpoolReader.open(spool)));
    try {
      for (let frame = 0; frame < frames; frame += FRAMES_PER_BLOCK) {
        const count = Math.min(FRAMES_PER_BLOCK, frames - frame);
        yield await Promise.all(readers.map((reader) => reader.read(frame, count)));
      }
    } finally {
      await Promise.all(readers.map((reader) => reader.close()));
    }
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
