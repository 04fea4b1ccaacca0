/**
 * The part of a song that the lanes show, and how wide they are on the screen.
 */
import { batch, computed, signal, type ReadonlySignal } from '@preact/signals';

/** Sample frames for one pixel of the screen at the closest zoom. */
const CLOSEST_FRAMES_PER_PX = 32;

export interface Shown {
  /** Sample frame at the left edge. */
  start: number;
  /** Sample frames between the edges. */
  span: number;
  /** Pixels of a lane. */
  width: number;
  height: number;
}

export class Viewport {
  readonly #total = signal(1);
  /** How many times the song is wider than the screen. */
  readonly #zoom = signal(1);
  readonly #start = signal(0);
  readonly #size = signal({ width: 0, height: 0 });

  readonly shown: ReadonlySignal<Shown> = computed(() => ({
    start: this.#start.value,
    span: this.#total.value / this.#zoom.value,
    ...this.#size.value,
  }));

  /** Sample frames of the whole song. */
  get total(): ReadonlySignal<number> {
    return this.#total;
  }

  get zoom(): ReadonlySignal<number> {
    return this.#zoom;
  }

  setTotal(frames: number): void {
    this.#total.value = Math.max(1, frames);
    this.scrollTo(this.#start.value);
  }

  setSize(width: number, height: number): void {
    this.#size.value = { width, height };
  }

  scrollTo(start: number): void {
    const last = this.#total.value - this.shown.value.span;
    this.#start.value = Math.max(0, Math.min(start, last));
  }

  /** Zooms by a factor; the given frame stays where it is on the screen. */
  zoomBy(factor: number, around: number): void {
    const { start, span, width } = this.shown.value;
    const closest = Math.max(1, this.#total.value / (width * CLOSEST_FRAMES_PER_PX));
    const share = Math.max(0, Math.min(1, (around - start) / span));
    batch(() => {
      this.#zoom.value = Math.max(1, Math.min(this.#zoom.value * factor, closest));
      this.scrollTo(around - share * this.shown.value.span);
    });
  }

  /** Turns a page when the position leaves the visible part. */
  follow(frame: number): void {
    const { start, span } = this.shown.value;
    if (frame < start || frame > start + span) this.scrollTo(frame);
  }

  /** Where a frame is, in percent of the width; below 0 and above 100 it is out of sight. */
  percentOf(frame: number): number {
    const { start, span } = this.shown.value;
    return ((frame - start) / span) * 100;
  }

  /** The frame at a place, in pixels from the left edge of the lanes. */
  frameAt(x: number): number {
    const { start, span, width } = this.shown.value;
    return Math.max(0, Math.min(start + (x / Math.max(1, width)) * span, this.#total.value));
  }
}
