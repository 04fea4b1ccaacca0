/**
 * When decoded sound is to be heard. ffmpeg gives the samples one after another; its log tells where
 * each frame belongs in the file's time and what the decoder complained of in between. From both
 * come the samples on one line of time: silence where the file has no sound, and nothing twice.
 */
import { complaintOf } from './ffmpeg.js';
import type { DamageLog } from './damage.js';
import { FrameCounter } from './gaps.js';

/** Put at the end of a filter graph, it makes ffmpeg log each frame. */
export const LOG_FRAMES = 'ashowinfo';

const FRAME = /ashowinfo.* n: *(\d+) pts:(-?\d+|NOPTS) .*pos: *(-?\d+) .*nb_samples:(\d+) /;
/** In formats that may begin at any time, ffmpeg counts from the first of the sounds that it decodes. */
const CORRECTION = /Correcting start time by (-?\d+)/;

/**
 * Steps of time up to this are jitter: containers round to milliseconds, Ogg counts by pages. One
 * lost frame of Opus or AAC is longer.
 */
const JITTER_SECONDS = 0.018;
/** A longer step back is a new beginning, not the same sound again. */
const LONGEST_REPEAT_SECONDS = 0.5;
/** The last frame of a codec is filled up; no codec has a longer one. */
const LONGEST_PADDING_SECONDS = 0.1;
/** No recording has a longer pause; such times are wrong. */
const LONGEST_GAP_SECONDS = 6 * 3600;
/** Frames of silence that are made at a time. */
const SILENCE_FRAMES = 32_768;

interface Frame {
  /** In sample frames of the file's time; undefined when the file has none. */
  time: number | undefined;
  count: number;
  /** Byte in the file; negative when unknown. */
  position: number;
  complaints: string[];
  warned: boolean;
}

export interface TimelineOptions {
  sampleRate: number;
  /** Bytes of one sample frame. */
  frameBytes: number;
  /** What is added to ffmpeg's times, so that 0 is where pictures begin; undefined: there are none. */
  startSeconds: number | undefined;
  /** Length of the sound where the file states it to the sample. */
  statedFrames: number | undefined;
  /** Whether times come from the sound itself, so that a gap can only be damage. */
  gapsAreDamage: boolean;
  /**
   * Where the file has no times at all and ffmpeg counts what it can read: the bytes between two
   * places of it that are not sound either.
   */
  otherBytes: ((from: number, to: number) => Promise<number>) | undefined;
  /** Whether times mean nothing once the sample rate has changed. */
  losesTime: boolean;
  damage: DamageLog;
}

export class Timeline {
  readonly #options: TimelineOptions;
  readonly #frames: Frame[] = [];
  #complaints: string[] = [];
  #warned = false;
  #timeIsLost = false;
  /** Whether the decoder has complained: a gap that comes later may be what it complained of. */
  #complained = false;
  /** Sample frames given so far. */
  #end = 0;
  #statedEnd = Infinity;
  /** What is added to the times of frames. */
  #shift: number | undefined;
  #graphs = 0;
  readonly #counter = new FrameCounter();
  #lastPosition = -1;
  #correctionSeconds = 0;

  constructor(options: TimelineOptions) {
    this.#options = options;
  }

  /** Takes a line of ffmpeg's log. */
  readonly log = (line: string): void => {
    const [, index, time, position, count] = FRAME.exec(line) ?? [];
    if (count === undefined) {
      const [, microseconds = 0] = CORRECTION.exec(line) ?? [];
      this.#correctionSeconds += Number(microseconds) / 1e6;
      // Of the output, which has no times and needs none.
      if (line.startsWith('[f32le ')) return;
      const complaint = complaintOf(line);
      if (complaint !== undefined) this.#complaints.push(complaint);
      else if (line.includes('[warning] ')) this.#warned = true;
      return;
    }
    // The filters begin anew when channels, layout or rate change.
    if (index === '0' && this.#graphs++ > 0 && this.#options.losesTime) this.#timeIsLost = true;
    this.#frames.push({
      time: time === 'NOPTS' || this.#timeIsLost ? undefined : Number(time),
      count: Number(count),
      position: Number(position),
      complaints: this.#complaints,
      warned: this.#warned,
    });
    this.#complaints = [];
    this.#warned = false;
  };

  /** The samples of ffmpeg's output, with silence between them where it belongs. */
  async *place(output: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    const { frameBytes, sampleRate } = this.#options;
    let held: Uint8Array[] = [];
    for await (const samples of this.#placeAll(output)) {
      const padding = this.#end - this.#statedEnd;
      if (padding <= 0 || padding > LONGEST_PADDING_SECONDS * sampleRate) {
        yield* held;
        held = [];
        yield samples;
      } else {
        held.push(samples);
      }
    }
    const bytes = held.reduce((sum, { length }) => sum + length, 0);
    const padding = (this.#end - this.#statedEnd) * frameBytes;
    if (held.length > 0) yield Buffer.concat(held).subarray(0, bytes - padding);
  }

  async *#placeAll(output: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    let rest = Buffer.alloc(0);
    for await (const chunk of output) {
      rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
      // The time of a frame is sure only when the next one is known.
      while (this.#frames.length > 1) {
        const bytes = (this.#frames[0]?.count ?? 0) * this.#options.frameBytes;
        if (rest.length < bytes) break;
        yield* this.#placeNext(rest.subarray(0, bytes));
        rest = rest.subarray(bytes);
      }
    }
    while (this.#frames.length > 0) {
      const bytes = (this.#frames[0]?.count ?? 0) * this.#options.frameBytes;
      yield* this.#placeNext(rest.subarray(0, bytes));
      rest = rest.subarray(bytes);
    }
  }

  async *#placeNext(samples: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
    const { sampleRate, frameBytes, gapsAreDamage, damage } = this.#options;
    const frame = this.#frames.shift() as Frame;
    const { count, complaints } = frame;
    const step = this.#stepTo(frame);
    this.#complained ||= complaints.length > 0;
    const suspect =
      complaints.length > 0 || (step > 0 && (gapsAreDamage || frame.warned || this.#complained));
    const { missing: counted, isJoin } = await this.#count(frame, suspect);
    const damaged = suspect && !isJoin;
    // ffmpeg goes on counting from what it could read.
    if (counted !== undefined) this.#shift = (this.#shift ?? 0) + counted - step;
    const silence = Math.max(counted ?? step, 0);
    const repeated = Math.min(Math.max(-(counted ?? step), 0), count);
    if (damaged) {
      damage.add({
        atSeconds: this.#end / sampleRate,
        missingSeconds: silence / sampleRate,
        estimated: counted !== undefined && silence > 0 && !this.#counter.isExact,
        complaints,
      });
    }
    if (this.#end === 0) this.#statedEnd = silence + (this.#options.statedFrames ?? Infinity);
    this.#end += silence + count - repeated;
    for (let missing = silence; missing > 0; missing -= SILENCE_FRAMES) {
      yield new Uint8Array(Math.min(missing, SILENCE_FRAMES) * frameBytes);
    }
    if (repeated < count) yield samples.subarray(repeated * frameBytes);
  }

  /**
   * Of a file without times: sample frames that are missing, by its bytes, before a frame that may be
   * damaged; and whether two files were joined there, whose tags are what the decoder complained of.
   */
  async #count(
    { position, count }: Frame,
    suspect: boolean,
  ): Promise<{ missing?: number | undefined; isJoin?: boolean }> {
    const { otherBytes } = this.#options;
    const last = this.#lastPosition;
    this.#lastPosition = position;
    if (!otherBytes || last < 0 || position <= last) return {};
    if (!suspect) {
      this.#counter.add(position - last, count);
      return {};
    }
    const other = await otherBytes(last, position);
    const missing = this.#counter.missing(position - last - other);
    // The first frame after a tag may hold facts about the file in place of sound.
    const isJoin = other > 0 && missing !== undefined && missing <= count;
    return isJoin ? { missing: 0, isJoin } : { missing };
  }

  /** Sample frames of silence before a frame; negative: so many of its own were there already. */
  #stepTo({ time, count }: Frame): number {
    if (time === undefined) return 0;
    const next = this.#frames[0]?.time ?? time + count;
    this.#shift ??= this.#firstShift(Math.min(time, next - count));
    const { sampleRate } = this.#options;
    const limit = (seconds: number) => seconds * sampleRate;
    const own = time + this.#shift - this.#end;
    // Where the next frame says that this one is: a decoder that has lost its place is wrong by one.
    const implied = next - count + this.#shift - this.#end;
    const closest = Math.abs(own) < Math.abs(implied) ? own : implied;
    if (Math.abs(closest) <= limit(JITTER_SECONDS)) return 0;
    if (closest > limit(LONGEST_GAP_SECONDS) || closest < -limit(LONGEST_REPEAT_SECONDS)) {
      this.#shift -= closest;
      return 0;
    }
    return closest;
  }

  /** Time 0 is where the file's first sound or picture is. */
  #firstShift(firstTime: number): number {
    const { sampleRate, startSeconds } = this.#options;
    if (startSeconds === undefined) return -firstTime;
    return Math.max(Math.round((startSeconds + this.#correctionSeconds) * sampleRate), -firstTime);
  }
}
