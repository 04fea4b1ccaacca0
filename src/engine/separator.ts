/**
 * The embedding API: a loaded model that separates songs.
 */
import { randomInt } from 'node:crypto';
import { OxboardError } from '../errors.js';
import {
  checkModelOptions,
  maxShift,
  partFrames,
  segmentFrames,
  type Part,
} from '../model-options.js';
import { verifyModel, type ModelDescription } from '../models/archive.js';
import { defaultModel, findModel } from '../models/library.js';
import {
  fromNative,
  loadNative,
  type NativeModel,
  type NativePlan,
  type NativeStepReport,
} from '../native.js';
import {
  invalidOption,
  loadOptions,
  resolveOptions,
  separateOptions,
  type LoadOptions,
  type MemoryShortage,
  type Progress,
  streamOptions,
  type ResolvedStreamOptions,
  type SeparateOptions,
  type StreamOptions,
} from '../options.js';
import type { AudioArrays, AudioSource } from './audio-source.js';
import { defaultBatchSize, shortageOf, usesTf32, warnOfShortage } from './batches.js';
import { makeManifest, type Manifest } from './manifest.js';
import { runSession } from './run-session.js';
import { adaptSource } from './adapt-source.js';
import { drawShifts } from './shifts.js';
import { SongTap } from './song-tap.js';
import { measureSource } from './statistics.js';
import { planStems, samplesOfStems, type StemPlan } from './stem-plan.js';

/** Options that name the stems: the result's types have these names. */
export type NamedStems<Options, S extends string> = Omit<Options, 'stems' | 'mix'> & {
  stems: S[];
};

/**
 * A run of finished samples. Blocks follow one another without gaps, from frame 0 or the first that
 * is wanted on.
 */
export interface StemBlock<S extends string = string> {
  /** First frame of the block within the song. */
  offset: number;
  frames: number;
  /** One Float32Array per channel, for each requested stem and mix. */
  stems: Record<S, Float32Array[]>;
}

/** The result of {@link Separator.separate}. */
export interface Separation<S extends string = string> {
  /** One Float32Array per channel, for each requested stem and mix; as long as the part. */
  stems: Record<S, Float32Array[]>;
  manifest: Manifest;
}

/**
 * An iterable of finished blocks; each iteration separates the song anew. The manifest is known once
 * the first block has come.
 */
export interface SeparationStream<S extends string = string> extends AsyncIterable<StemBlock<S>> {
  readonly manifest: Manifest | undefined;
}

/**
 * A model on a device, ready to separate.
 *
 * Tensor work runs on the libuv threadpool, one batch of segments at a time per device in the whole
 * process, so several separations (of one separator or many) take turns and the event loop stays
 * free.
 */
export class Separator {
  /** What the archive says of the model. */
  readonly model: ModelDescription;
  /** `cpu` or `cuda:N`. */
  readonly device: string;
  /** CPU threads of one unit of work. */
  readonly threads: number;
  /** Whether the GPU computes with reduced precision. */
  readonly tf32: boolean;
  /** Bytes of the model's weights on the device. */
  readonly weightBytes: number;

  readonly #native: NativeModel;
  readonly #disposal = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  readonly #onMemoryShort: (shortage: MemoryShortage) => void;

  protected constructor(
    model: ModelDescription,
    runtime: { device: string; threads: number; tf32: boolean },
    native: NativeModel,
    onMemoryShort: (shortage: MemoryShortage) => void,
  ) {
    this.model = model;
    this.device = runtime.device;
    this.threads = runtime.threads;
    this.tf32 = runtime.tf32;
    this.weightBytes = native.weightBytes;
    this.#native = native;
    this.#onMemoryShort = onMemoryShort;
  }

  /**
   * Loads an installed model.
   *
   * @param name its name; undefined takes the best installed.
   * @throws OxboardError MODEL_NOT_FOUND, MODEL_INVALID, MODEL_CHECKSUM, DEVICE_UNAVAILABLE,
   * OUT_OF_MEMORY, INVALID_OPTION, NATIVE_MISSING, NATIVE_UNLOADABLE; `signal.reason` when aborted.
   */
  static load(name?: string, options: LoadOptions = {}): Promise<Separator> {
    return Separator.loadInto(Separator, name, options);
  }

  /** The same as an object of a class that extends this one. */
  protected static async loadInto<T extends typeof Separator>(
    Class: T,
    name: string | undefined,
    options: LoadOptions,
  ): Promise<T['prototype']> {
    if (name !== undefined && typeof name !== 'string') {
      throw invalidOption('name', 'string', name);
    }
    const resolvedOptions = resolveOptions(loadOptions, options);
    const { modelsDir, threads, optimize, warmUp, signal, onMemoryShort } = resolvedOptions;
    signal?.throwIfAborted();
    const folder = { modelsDir };
    const installed = await (name === undefined ? defaultModel(folder) : findModel(name, folder));
    const native = loadNative();
    try {
      const device = native.resolveDevice(resolvedOptions.device);
      const tf32 = usesTf32(device, resolvedOptions.tf32);
      await verifyModel(installed, signal);
      const { description, directory } = installed;
      const count = threads ?? native.defaultThreads;
      const model = await native.loadModel(
        {
          ...description,
          sources: description.sources.length,
          members: description.members.map(({ file, weights }) => ({
            file: `${directory}/${file}`,
            weights,
          })),
        },
        device,
        count,
        optimize,
        tf32,
      );
      const separator = new Class(
        description,
        { device, threads: count, tf32 },
        model,
        onMemoryShort ?? warnOfShortage,
      );
      try {
        signal?.throwIfAborted();
        if (warmUp) await separator.#warmUp(signal);
      } catch (error) {
        await separator.dispose();
        throw error;
      }
      return separator;
    } catch (error) {
      throw fromNative(error);
    }
  }

  /**
   * Separates a whole song in memory. For long songs {@link stream} needs less.
   *
   * @throws OxboardError INVALID_OPTION, INPUT_EMPTY, INPUT_NOT_FINITE, OUT_OF_MEMORY,
   * OUTPUT_NOT_FINITE, INFERENCE_FAILED, DISPOSED; `signal.reason` when aborted.
   */
  separate<S extends string>(
    source: AudioArrays | AudioSource,
    options: NamedStems<SeparateOptions, S>,
  ): Promise<Separation<S>>;
  separate(source: AudioArrays | AudioSource, options?: SeparateOptions): Promise<Separation>;
  async separate(
    source: AudioArrays | AudioSource,
    options: SeparateOptions = {},
  ): Promise<Separation> {
    const stream = this.stream(source, resolveOptions(separateOptions, options));
    const stems = new Map<string, Float32Array[]>();
    for await (const block of stream) {
      const { start = 0, end = 0 } = stream.manifest?.options ?? {};
      for (const [stem, rows] of Object.entries(block.stems)) {
        const whole = stems.get(stem) ?? rows.map(() => new Float32Array(end - start));
        for (const [channel, row] of rows.entries()) whole[channel]?.set(row, block.offset - start);
        stems.set(stem, whole);
      }
    }
    const { manifest } = stream;
    if (!manifest) throw new OxboardError('INTERNAL', 'a separation ended without its manifest');
    return { stems: Object.fromEntries(stems), manifest };
  }

  /**
   * Separates a song block by block, in memory that does not depend on its length. The source is
   * read twice: for its length, mean and deviation, then for its samples. Options are checked at
   * once; other errors come out of the iteration, and are those of {@link separate}. Leaving the
   * loop early ends the work.
   */
  stream<S extends string>(
    source: AudioArrays | AudioSource,
    options: NamedStems<StreamOptions, S>,
  ): SeparationStream<S>;
  stream(source: AudioArrays | AudioSource, options?: StreamOptions): SeparationStream;
  stream(source: AudioArrays | AudioSource, options: StreamOptions = {}): SeparationStream {
    const resolved = resolveOptions(streamOptions, options);
    checkModelOptions(resolved, this.model);
    const job = {
      options: {
        ...resolved,
        seed: resolved.seed ?? randomInt(2 ** 32),
        batchSize: resolved.batchSize ?? defaultBatchSize(this.device),
      },
      stems: planStems(this.model.sources, resolved),
      segment: segmentFrames(resolved, this.model).frames,
      source: adaptSource(source, this.model, resolved.resample),
    };
    let manifest: Manifest | undefined;
    return {
      get manifest() {
        return manifest;
      },
      [Symbol.asyncIterator]: () =>
        this.#separate(job, (made) => {
          manifest = made;
        }),
    };
  }

  /** Ends running separations with DISPOSED and lets go of the model. Safe to repeat. */
  async dispose(): Promise<void> {
    this.#disposal.abort(
      new OxboardError('DISPOSED', `The separator of ${this.model.name} was disposed of`),
    );
    await Promise.allSettled(this.#running);
    this.#native.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /**
   * Runs every network once on a tone, so that one whose shapes lie is refused now and the first
   * song is as fast as the second. Networks of any length run on one second only.
   */
  async #warmUp(signal: AbortSignal | undefined): Promise<void> {
    const { segment, minLength, sampleRate, channels, sources, members } = this.model;
    const frames = minLength === segment ? segment : Math.min(segment, sampleRate);
    const tone = Float32Array.from({ length: frames }, (_, i) => Math.sin(i * 0.05));
    const song = Array.from({ length: channels }, () => tone);
    const run = runSession({
      model: this.#native,
      plan: {
        length: frames,
        segment,
        overlap: 0,
        transitionPower: 1,
        sources: sources.map((_, index) => index),
        shiftOffsets: members.map(() => []),
        maxShift: 0,
        batchSize: 1,
        resumeFrom: 0,
        mean: 0,
        deviation: 1,
        silent: false,
      },
      source: adaptSource({ sampleRate, channels: song }, this.model),
      signal: signal ?? new AbortController().signal,
      onStep: this.#onStep,
      onReport: this.#onReport,
    });
    while (!(await run.next()).done);
  }

  async *#separate(job: Job, onManifest: (manifest: Manifest) => void): AsyncGenerator<StemBlock> {
    const { options, stems, segment, source } = job;
    const signals = [this.#disposal.signal, options.signal].filter((s) => s !== undefined);
    const signal = AbortSignal.any(signals);
    signal.throwIfAborted();

    const song = await measureSource(source, signal);
    const { overlapAdd, normalize, sampleRate } = this.model;
    const part = partFrames(options, { frames: song.frames, sampleRate });
    if (options.resumeFrom > part.end) {
      const words = `integer from 0 to ${String(part.end)}`;
      throw invalidOption('resumeFrom', words, options.resumeFrom);
    }
    const resumeFrom = Math.max(options.resumeFrom, part.start);
    const plan: NativePlan = {
      length: song.frames,
      segment,
      overlap: overlapAdd ? overlapAdd.overlap / segment : options.overlap,
      transitionPower: options.transitionPower,
      sources: stems.sources.map((source) => this.model.sources.indexOf(source)),
      shiftOffsets: drawShifts(this.model, options.shifts, options.seed),
      maxShift: maxShift(sampleRate),
      batchSize: options.batchSize,
      resumeFrom,
      ...(normalize === 'demucs'
        ? { mean: song.mean, deviation: song.deviation }
        : { mean: 0, deviation: 1 }),
      silent: song.silent,
    };
    onManifest(
      makeManifest({
        model: this.model,
        device: this.device,
        threads: this.threads,
        tf32: this.tf32,
        stems: stems.outputs.map(({ name }) => name),
        seed: options.seed,
        options,
        part,
        plan,
        channels: source.channelCount,
        libtorch: loadNative().libtorchVersion,
      }),
    );
    const tap = stems.consistent ? new SongTap(source, resumeFrom) : undefined;
    const blocks = runSession({
      model: this.#native,
      plan,
      source: tap ?? source,
      signal,
      onStep: this.#onStep,
      onReport: this.#onReport,
      onProgress: (progress) =>
        options.onProgress?.(
          part.end === song.frames ? progress : { ...progress, ...progressOfPart(progress, part) },
        ),
    });
    for await (const { offset, frames: finished, rows } of blocks) {
      const frames = Math.min(finished, part.end - offset);
      const samples = tap?.take(frames);
      const channels = Array.from({ length: source.channelCount }, (_, channel) =>
        samplesOfStems(
          stems,
          samples?.[channel] ?? new Float32Array(),
          rows.map((row) => (row[channel] as Float32Array).subarray(0, frames)),
        ),
      );
      const entries = stems.outputs.map(({ name }, index) => [name, channels.map((c) => c[index])]);
      yield { offset, frames, stems: Object.fromEntries(entries) as StemBlock['stems'] };
      if (offset + frames === part.end) break;
    }
  }

  /** Lets dispose() wait for a step that runs. */
  readonly #onStep = (step: Promise<unknown>): void => {
    this.#running.add(step);
    const done = () => this.#running.delete(step);
    step.then(done, done);
  };

  readonly #onReport = (report: NativeStepReport): void => {
    const shortage = shortageOf(report, { device: this.device, model: this.model.name });
    if (shortage) this.#onMemoryShort(shortage);
  };
}

/** The engine counts up to the song's end; it is left at the end of the part. */
function progressOfPart(
  { framesDone }: Progress,
  { start, end }: Part,
): Pick<Progress, 'fraction' | 'framesDone' | 'framesTotal'> {
  const done = Math.min(framesDone, end);
  return {
    fraction: Math.max(done - start, 0) / (end - start),
    framesDone: done,
    framesTotal: end,
  };
}

/** One separation with its options checked and completed. */
interface Job {
  options: ResolvedStreamOptions & { seed: number; batchSize: number };
  stems: StemPlan;
  /** Sample frames of a chunk. */
  segment: number;
  source: AudioSource;
}
