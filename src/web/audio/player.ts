/**
 * Plays the stems of a song in step: one context, one clock, and sources that are scheduled chunk by
 * chunk, so that a song can be heard while it is being separated.
 */
import { signal, type ReadonlySignal } from '@preact/signals';
import { ChunkCache, type Chunk } from './chunk-cache.js';
import { MixGraph, type Mix } from './mix-graph.js';
import { readyFrames, type Song } from './song.js';
import { createStretch, type Stretch } from './stretch.js';

/** Audio that is scheduled ahead of what is heard. */
const AHEAD_SECONDS = 2;
/** From a start until its first sample: the context must not be past it when it gets the sources. */
const START_SECONDS = 0.06;
const PUMP_INTERVAL_MS = 200;
const FADE_SECONDS = 0.01;
const RETRY_MS = 1_000;
/** A shorter loop would be a tone. */
export const MIN_LOOP_SECONDS = 0.1;

export interface Loop {
  /** Sample frames. */
  from: number;
  to: number;
}

/** A run of sources: what is heard from one moment of the context on. */
interface Piece {
  /** Seconds of the context's clock. */
  startsAt: number;
  endsAt: number;
  /** Sample frame of the song at its start. */
  frame: number;
  sources: AudioBufferSourceNode[];
}

export class Player {
  readonly context: AudioContext;
  readonly #playing = signal(false);
  readonly #waiting = signal(false);
  readonly #failure = signal<unknown>(undefined);
  readonly #loop = signal<Loop | undefined>(undefined);
  #song: Song;
  #graph: MixGraph;
  #cache: ChunkCache;
  #mix: Mix = {};
  #master = 1;
  /** Between the graph and the speakers: a stop fades out. */
  #fader: GainNode | undefined;
  #stretch: Stretch | undefined;
  #speed = 1;
  #semitones = 0;
  #pieces: Piece[] = [];
  /** Frame of the song that is scheduled next, and the time of the context at which it begins. */
  #nextFrame = 0;
  #nextTime = 0;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(song: Song) {
    this.#song = song;
    // Another rate would resample each chunk by itself, and the seams would click.
    this.context = new AudioContext({ sampleRate: song.sampleRate, latencyHint: 'interactive' });
    this.#graph = new MixGraph(this.context, song.stems, song.scale);
    this.#cache = new ChunkCache(this.context);
    this.#connect();
    this.#timer = setInterval(() => this.#pump(), PUMP_INTERVAL_MS);
    this.#prefetch();
  }

  get playing(): ReadonlySignal<boolean> {
    return this.#playing;
  }

  /** True while it plays and the next chunk is not there yet. */
  get waiting(): ReadonlySignal<boolean> {
    return this.#waiting;
  }

  /** Why the last chunk could not be had. */
  get failure(): ReadonlySignal<unknown> {
    return this.#failure;
  }

  get loop(): ReadonlySignal<Loop | undefined> {
    return this.#loop;
  }

  /** The sample frame that is heard now. */
  get position(): number {
    if (!this.#playing.value) return this.#nextFrame;
    // Some browsers do not know their latency.
    const output = this.context.outputLatency || 0;
    const delay = output + (this.#stretched ? (this.#stretch?.latencySeconds ?? 0) : 0);
    const now = this.context.currentTime - delay;
    // Pieces that are over are kept for as long as the output is late.
    const piece = this.#pieces.findLast(({ startsAt }) => startsAt <= now) ?? this.#pieces[0];
    if (!piece) return this.#nextFrame;
    const seconds = Math.max(0, Math.min(now, piece.endsAt) - piece.startsAt);
    return piece.frame + seconds * this.#speed * this.#song.sampleRate;
  }

  /** Takes over what has become of the song: more chunks, another length, other stems. */
  update(song: Song, { discard = false } = {}): void {
    const other = song.stems.join() !== this.#song.stems.join();
    this.#song = song;
    if (other || discard) {
      const frame = this.position;
      this.#halt();
      this.#cache.keepOnly(new Set());
      this.#graph = new MixGraph(this.context, song.stems, song.scale);
      this.#graph.apply(this.#mix, this.#master, false);
      this.#nextFrame = Math.floor(frame);
      this.#connect();
      this.#begin();
    }
    this.#prefetch();
    this.#pump();
  }

  setMix(mix: Mix, master: number): void {
    [this.#mix, this.#master] = [mix, master];
    // A move that begins in silence would go on when the sound begins.
    this.#graph.apply(mix, master, this.#playing.value);
  }

  /** The greatest absolute sample of the last moment, of one stem as it sounds. */
  level(stem: string): number {
    return this.#playing.value && this.#song.stems.includes(stem) ? this.#graph.level(stem) : 0;
  }

  async play(): Promise<void> {
    if (this.#playing.value) return;
    // At the end, or behind what a loop covers, it starts anew.
    const { from, to } = this.#loop.value ?? { from: 0, to: this.#song.totalFrames };
    if (this.#nextFrame >= to || (this.#loop.value && this.#nextFrame < from))
      this.#nextFrame = from;
    this.#playing.value = true;
    await this.context.resume();
    this.#begin();
  }

  pause(): void {
    if (!this.#playing.value) return;
    const frame = this.position;
    this.#halt();
    this.#playing.value = false;
    this.#waiting.value = false;
    this.#nextFrame = Math.floor(frame);
  }

  /** @param frame of the song; outside of it, the nearest end. */
  seek(frame: number): void {
    this.#halt();
    this.#nextFrame = Math.floor(Math.max(0, Math.min(frame, this.#song.totalFrames)));
    this.#prefetch();
    this.#begin();
  }

  /** Repeats a part of the song; undefined ends that. */
  setLoop(loop: Loop | undefined): void {
    const frame = this.position;
    this.#loop.value = loop;
    const inside = !loop || (frame >= loop.from && frame < loop.to);
    this.seek(inside ? frame : loop.from);
  }

  /**
   * @param speed of the song, 1 as it is; its pitch stays.
   * @param semitones to move the pitch by; its speed stays.
   */
  async setStretch(speed: number, semitones: number): Promise<void> {
    if (speed !== 1 || semitones !== 0) this.#stretch ??= await createStretch(this.context);
    const frame = this.position;
    this.#halt();
    [this.#speed, this.#semitones] = [speed, semitones];
    this.#nextFrame = Math.floor(frame);
    this.#connect();
    this.#begin();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#halt();
    this.#playing.value = false;
    this.#cache.keepOnly(new Set());
    await this.context.close();
  }

  get #stretched(): boolean {
    return this.#speed !== 1 || this.#semitones !== 0;
  }

  #connect(): void {
    this.#graph.output.disconnect();
    this.#fader?.disconnect();
    this.#fader = new GainNode(this.context);
    this.#graph.output.connect(this.#fader);
    if (this.#stretched && this.#stretch) {
      // The sources run faster, which raises the pitch as well.
      this.#stretch.setSemitones(this.#semitones - 12 * Math.log2(this.#speed));
      this.#fader.connect(this.#stretch.node).connect(this.context.destination);
    } else {
      this.#fader.connect(this.context.destination);
    }
  }

  /** Schedules from the next frame on, if it plays. */
  #begin(): void {
    if (!this.#playing.value) return;
    this.#nextTime = 0;
    this.#pump();
  }

  /** Ends all sources. */
  #halt(): void {
    const end = this.context.currentTime + FADE_SECONDS;
    const gain = this.#fader?.gain;
    gain?.setTargetAtTime(0, this.context.currentTime, FADE_SECONDS / 4);
    gain?.setValueAtTime(1, end);
    for (const { sources } of this.#pieces) for (const source of sources) source.stop(end);
    this.#pieces = [];
  }

  #pump(): void {
    if (!this.#playing.value) return;
    const now = this.context.currentTime;
    this.#pieces = this.#pieces.filter(({ endsAt }) => endsAt > now - 1);
    while (this.#nextTime < now + AHEAD_SECONDS) {
      const end = this.#loop.value?.to ?? this.#song.totalFrames;
      if (this.#nextFrame >= end) {
        if (this.#loop.value) {
          this.#nextFrame = this.#loop.value.from;
          continue;
        }
        if (now >= this.#nextTime) this.#finish();
        return;
      }
      const number = Math.floor(this.#nextFrame / this.#song.chunkFrames);
      const chunk = this.#cache.get(number);
      if (!chunk) {
        this.#waiting.value = this.#nextTime <= now;
        this.#fetch(number);
        return;
      }
      this.#schedule(chunk, number, Math.min(end, (number + 1) * this.#song.chunkFrames));
    }
    this.#prefetch();
  }

  #schedule(chunk: Chunk, number: number, until: number): void {
    const { chunkFrames, sampleRate } = this.#song;
    const now = this.context.currentTime;
    this.#waiting.value = false;
    // Sources that start late do not start together.
    if (this.#nextTime < now + START_SECONDS / 2) {
      // A whole frame: between two of them, the samples would be interpolated.
      const frame = Math.ceil((now + START_SECONDS) * sampleRate);
      this.#nextTime = frame / sampleRate;
    }
    const offset = this.#nextFrame - number * chunkFrames;
    const available = Math.min(...[...chunk.values()].map(({ length }) => length));
    const frames = Math.min(until - this.#nextFrame, available - offset);
    if (frames <= 0) {
      // The last chunk is shorter than the length that was guessed.
      this.#song = { ...this.#song, totalFrames: this.#nextFrame };
      return;
    }
    const sources = [...chunk].map(([name, buffer]) => {
      const source = new AudioBufferSourceNode(this.context, { buffer, playbackRate: this.#speed });
      source.connect(this.#graph.input(name));
      source.onended = () => source.disconnect();
      // A duration is rounded to frames by the browser: where the chunk ends, it must not be cut.
      if (offset + frames === buffer.length) source.start(this.#nextTime, offset / sampleRate);
      else source.start(this.#nextTime, offset / sampleRate, frames / sampleRate);
      return source;
    });
    const seconds = frames / sampleRate / this.#speed;
    this.#pieces.push({
      startsAt: this.#nextTime,
      endsAt: this.#nextTime + seconds,
      frame: this.#nextFrame,
      sources,
    });
    this.#nextTime += seconds;
    this.#nextFrame += frames;
  }

  #finish(): void {
    this.#halt();
    this.#playing.value = false;
    this.#nextFrame = this.#song.totalFrames;
  }

  /** Loads the chunks that come next, and lets go of the others. */
  #prefetch(): void {
    const { chunkFrames } = this.#song;
    const first = Math.floor(this.#nextFrame / chunkFrames);
    const wanted = [first, first + 1];
    if (this.#loop.value) wanted.push(Math.floor(this.#loop.value.from / chunkFrames));
    this.#cache.keepOnly(new Set(wanted));
    for (const chunk of wanted) this.#fetch(chunk);
  }

  #fetch(chunk: number): void {
    if (this.#cache.has(chunk) || chunk * this.#song.chunkFrames >= readyFrames(this.#song)) return;
    this.#cache.load(this.#song, chunk).then(
      () => {
        this.#failure.value = undefined;
        this.#pump();
      },
      (error: unknown) => {
        if (error instanceof DOMException && error.name === 'AbortError') return;
        this.#failure.value = error;
        setTimeout(() => this.#pump(), RETRY_MS);
      },
    );
  }
}
