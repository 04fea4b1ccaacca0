/**
 * From the mixture's spool to one spool per output, block by block as the network gives them.
 */
import { interleave } from '../audio/pcm.js';
import { SpoolReader, SpoolWriter, type Spool } from '../audio/spool.js';
import type { StreamOptions } from '../options.js';
import type { AudioSource } from '../engine/audio-source.js';
import { samplesOfStems, type StemPlan } from '../engine/stem-plan.js';
import type { Part } from '../model-options.js';
import { ChunkPublisher, type ChunkSink } from './chunks.js';
import { CheckpointSchedule, keptBlocks, type Checkpoints } from './checkpoints.js';
import { NullTest } from './null-test.js';
import type { Workspace } from './workspace.js';

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
  ): AsyncIterable<{ frames: number; stems: Record<string, readonly Float32Array[]> }> & {
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
  {
    part,
    checkpoints,
    chunks,
    onSeparated,
  }: {
    part: Part;
    checkpoints?: Checkpoints | undefined;
    chunks?: ChunkSink | undefined;
    /** Called before the last chunks are published: no progress of the separation comes any more. */
    onSeparated?: () => void;
  },
): Promise<SeparatedStems> {
  const nullTest = plan.summands > 0 ? new NullTest() : undefined;
  const needsMixture =
    nullTest !== undefined ||
    plan.consistent ||
    plan.outputs.some(({ fromMixture }) => fromMixture);
  const song = mixture.part(part.start, part.end);
  const reader = await SpoolReader.open(song);
  const writers: SpoolWriter[] = [];
  let publisher: ChunkPublisher | undefined;
  let position = 0;
  const append = async (
    frames: number,
    outputsOf: (samples: Float32Array) => readonly Float32Array[],
  ): Promise<void> => {
    const samples = needsMixture ? await reader.read(position, frames) : new Float32Array();
    const outputs = outputsOf(samples);
    nullTest?.add(samples, outputs.slice(0, plan.summands));
    await Promise.all(writers.map((writer, index) => writer.write(outputs[index] as Float32Array)));
    position += frames;
    publisher?.advance();
  };
  try {
    for (const index of plan.outputs.keys()) {
      writers.push(await SpoolWriter.create(workspace.path(`${String(index)}.f32`), mixture));
    }
    if (chunks) {
      publisher = await ChunkPublisher.open({ sink: chunks, mixture: song, writers, workspace });
    }
    let schedule: CheckpointSchedule | undefined;
    if (checkpoints) {
      for await (const outputs of keptBlocks(checkpoints, song, writers.length)) {
        await append((outputs[0]?.length ?? 0) / mixture.channelCount, () => outputs);
      }
      schedule = new CheckpointSchedule(checkpoints, writers);
    }
    const stream = separator.stream(mixture, {
      ...options,
      stems: [...plan.sources],
      // Two stems are made of the song and the sources, so all sums are made here.
      mix: undefined,
      mixtureConsistent: false,
      resumeFrom: part.start + position,
    });
    for await (const block of stream) {
      const sources = plan.sources.map((name) => interleave(block.stems[name] ?? []));
      await append(block.frames, (samples) => samplesOfStems(plan, samples, sources));
      await schedule?.keepIfDue();
    }
    if (publisher) {
      onSeparated?.();
      await publisher.finish();
    }
    const { manifest = {} } = stream;
    const spools = await Promise.all(writers.map((writer) => writer.finish()));
    return { spools, nullTestDb: nullTest?.decibels ?? null, manifest };
  } finally {
    await publisher?.close();
    await Promise.all([reader, ...writers].map((file) => file.close()));
  }
}
