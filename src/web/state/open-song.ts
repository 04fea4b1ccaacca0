/**
 * The job that is open: its state, its peaks and its player.
 */
import { batch, computed, effect, signal, type ReadonlySignal } from '@preact/signals';
import { ServiceError, type Job, type JobUpdate } from '../../client/index.js';
import { audibleGain, NEUTRAL, type Mix, type StemMix } from '../audio/mix-graph.js';
import { Peaks } from '../audio/peaks.js';
import { Player } from '../audio/player.js';
import { readyFrames, type Song } from '../audio/song.js';
import { explain } from './explain.js';
import { jobsChanged } from './library.js';
import { client, noteError } from './service.js';
import { Viewport } from './viewport.js';

/** The song itself, among the names of what can be played. */
const ORIGINAL = 'mixture';
const RETRY_MS = 2_000;

export const isRunning = ({ status }: Pick<Job, 'status'>): boolean =>
  status === 'pending' || status === 'processing';

export class OpenSong {
  readonly id: string;
  readonly viewport = new Viewport();
  readonly peaks = new Map<string, Peaks>();
  readonly #job = signal<Job | undefined>(undefined);
  readonly #gone = signal(false);
  readonly #failure = signal<string | undefined>(undefined);
  readonly #player = signal<Player | undefined>(undefined);
  readonly #mix = signal<Mix>({});
  readonly #master = signal(1);
  readonly #original = signal(false);
  readonly #drawn = signal({ revision: 0, loudest: 0 });
  readonly #abort = new AbortController();
  readonly #disposeEffect: () => void;

  readonly stems = computed(() =>
    Object.keys(this.#job.value?.playback?.stems ?? {}).filter((name) => name !== ORIGINAL),
  );
  /** What the player plays, as far as it is known. */
  readonly song: ReadonlySignal<Song | undefined> = computed(() => {
    const job = this.#job.value;
    if (!job?.playback) return undefined;
    const { sampleRate, chunkFrames, scale, chunksReady } = job.playback;
    return {
      sampleRate,
      chunkFrames,
      scale,
      chunksReady,
      stems: this.#original.value ? [ORIGINAL] : this.stems.value,
      totalFrames: totalFrames(job),
      fetchChunk: (stem, chunk, signal_) => this.#fetchChunk(stem, chunk, signal_),
    };
  });
  readonly readyFrames = computed(() => (this.song.value ? readyFrames(this.song.value) : 0));

  constructor(id: string) {
    this.id = id;
    void this.#follow();
    this.#disposeEffect = effect(() => {
      const player = this.#player.value;
      const mix = this.#original.value ? {} : this.#mix.value;
      player?.setMix(mix, this.#master.value);
    });
  }

  get job(): ReadonlySignal<Job | undefined> {
    return this.#job;
  }
  /** True when there is no such job, or no more. */
  get gone(): ReadonlySignal<boolean> {
    return this.#gone;
  }
  /** Why the job cannot be shown, as a sentence. */
  get failure(): ReadonlySignal<string | undefined> {
    return this.#failure;
  }
  /** There from the first chunk on. */
  get player(): ReadonlySignal<Player | undefined> {
    return this.#player;
  }
  get mix(): ReadonlySignal<Mix> {
    return this.#mix;
  }
  get master(): ReadonlySignal<number> {
    return this.#master;
  }
  /** True while the song itself is played instead of its stems. */
  get original(): ReadonlySignal<boolean> {
    return this.#original;
  }
  /** Changes whenever there are more peaks; `loudest` is the scale of all lanes. */
  get drawn(): ReadonlySignal<{ revision: number; loudest: number }> {
    return this.#drawn;
  }

  mixOf(stem: string): StemMix {
    return this.#mix.value[stem] ?? NEUTRAL;
  }

  isAudible(stem: string): boolean {
    return audibleGain(this.#mix.value, stem) > 0;
  }

  change(stem: string, change: Partial<StemMix>): void {
    this.#mix.value = { ...this.#mix.value, [stem]: { ...this.mixOf(stem), ...change } };
  }

  resetMix(): void {
    batch(() => {
      this.#mix.value = {};
      this.#master.value = 1;
    });
  }

  setMaster(volume: number): void {
    this.#master.value = volume;
  }

  toggleOriginal(): void {
    this.#original.value = !this.#original.value;
    if (this.song.value) this.#player.value?.update(this.song.value);
  }

  /** Cancels a job that runs; removes one that has ended. */
  async remove(): Promise<void> {
    try {
      await client.value.remove(this.id);
      await jobsChanged();
    } catch (error) {
      noteError(error);
      this.#failure.value = explain(error);
    }
  }

  dispose(): void {
    this.#abort.abort();
    this.#disposeEffect();
    void this.#player.value?.close();
  }

  /** Reads the job, and follows it until it has ended. */
  async #follow(): Promise<void> {
    const { signal: signal_ } = this.#abort;
    const isOver = () => signal_.aborted;
    while (!isOver()) {
      try {
        await this.#read();
        if (this.#job.value && isRunning(this.#job.value)) {
          for await (const event of client.value.events(this.id, { signal: signal_ })) {
            await this.#take(event);
          }
          await this.#read();
          await jobsChanged();
        }
        return;
      } catch (error) {
        if (isOver()) return;
        noteError(error);
        if (error instanceof ServiceError && error.code === 'JOB_NOT_FOUND') {
          this.#gone.value = true;
          return;
        }
        this.#failure.value = explain(error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  async #read(): Promise<void> {
    const job = await client.value.job(this.id, { signal: this.#abort.signal });
    this.#failure.value = undefined;
    await this.#show(job);
  }

  async #take({
    status,
    stage,
    progress,
    chunksReady,
    queuePosition,
    etaSeconds,
  }: JobUpdate): Promise<void> {
    const job = this.#job.value;
    if (!job) return;
    const before = job.playback?.chunksReady ?? 0;
    // The document says what an event does not: where the chunks are, and of which run.
    if (chunksReady > 0 && (!job.playback || chunksReady < before)) {
      await this.#read();
      return;
    }
    const playback = job.playback && { ...job.playback, chunksReady };
    await this.#show({ ...job, status, stage, progress, queuePosition, etaSeconds, playback });
  }

  async #show(job: Job): Promise<void> {
    const restarted = job.playback?.generation !== this.#job.value?.playback?.generation;
    if (restarted) this.peaks.clear();
    this.#job.value = job;
    this.viewport.setTotal(totalFrames(job));
    await this.#readPeaks();
    const song = this.song.value;
    if (!song || song.chunksReady === 0) return;
    if (this.#player.value) this.#player.value.update(song, { discard: restarted });
    else this.#player.value = new Player(song);
  }

  /** Adds the peaks that have become final. What is not there is asked for after the next change. */
  async #readPeaks(): Promise<void> {
    const { playback } = this.#job.value ?? {};
    if (!playback || playback.chunksReady === 0) return;
    await Promise.all(
      Object.keys(playback.stems).map(async (name) => {
        const peaks = this.peaks.get(name) ?? new Peaks();
        this.peaks.set(name, peaks);
        const from = peaks.length;
        try {
          const options = { from, signal: this.#abort.signal };
          peaks.append(await client.value.peaks(playback, name, options), from);
        } catch (error) {
          if (!(error instanceof ServiceError) || !error.code.startsWith('CHUNK_')) throw error;
        }
      }),
    );
    const loudest = Math.max(...this.stems.value.map((name) => this.peaks.get(name)?.loudest ?? 0));
    this.#drawn.value = { revision: this.#drawn.value.revision + 1, loudest };
  }

  async #fetchChunk(stem: string, chunk: number, signal_: AbortSignal): Promise<ArrayBuffer> {
    const { playback } = this.#job.value ?? {};
    if (!playback) throw new RangeError('The job has nothing to play');
    return client.value.chunk(playback, stem, chunk, { signal: signal_ });
  }
}

/** Sample frames of the song at the rate of its chunks. */
function totalFrames({ playback, result, durationSeconds }: Job): number {
  if (!playback) return 0;
  const made = Object.values(result?.stems ?? {})[0]?.durationSeconds;
  const seconds = made ?? durationSeconds;
  const ready = playback.chunksReady * playback.chunkFrames;
  if (seconds === null) return ready;
  const frames = Math.round(seconds * playback.sampleRate);
  // A header may claim less than there is.
  return made === undefined ? Math.max(frames, ready) : frames;
}
