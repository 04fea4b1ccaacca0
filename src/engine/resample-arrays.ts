/**
 * Arrays of any rate and number of channels, made fit for a model. Files come through ffmpeg; here
 * there is none.
 */
import type { AudioSource } from './audio-source.js';

/** Zero crossings of the filter on each side: more are sharper and slower. */
const CROSSINGS = 32;
/** Of the Kaiser window: what would be mirrored into the band ends 100 dB down. */
const BETA = 10;
/** Share of the band that is kept. */
const CUTOFF = 0.95;

/** The same sound at another sample rate. It is as long, up to the next sample. */
export function resampled(source: AudioSource, sampleRate: number): AudioSource {
  const { channelCount } = source;
  const filter = new Filter(source.sampleRate, sampleRate);
  return {
    sampleRate,
    channelCount,
    async *blocks(signal) {
      const channels = Array.from({ length: channelCount }, () => new ChannelResampler(filter));
      for await (const block of source.blocks(signal)) {
        const rows = channels.map((channel, index) => channel.push(block[index] as Float32Array));
        if ((rows[0]?.length ?? 0) > 0) yield rows;
      }
      yield channels.map((channel) => channel.end());
    },
  };
}

/**
 * The same sound with another number of channels: one is given to all, and of several each
 * gets the average of its share: with two, odd ones are left and even ones right. What the places of the channels are is not known.
 */
export function mixed(source: AudioSource, channelCount: number): AudioSource {
  const places = Array.from({ length: source.channelCount }, (_, index) => index);
  const parts = Array.from({ length: channelCount }, (_, side) =>
    source.channelCount === 1 ? places : places.filter((place) => place % channelCount === side),
  );
  return {
    sampleRate: source.sampleRate,
    channelCount,
    async *blocks(signal) {
      for await (const block of source.blocks(signal)) {
        yield parts.map((part) => average(part.map((place) => block[place] as Float32Array)));
      }
    },
  };
}

function average([first = new Float32Array(), ...others]: readonly Float32Array[]): Float32Array {
  if (others.length === 0) return first;
  return first.map((sample, at) => {
    const sum = others.reduce((total, other) => total + (other[at] as number), sample);
    return sum / (others.length + 1);
  });
}

/** A windowed sinc, by the fraction of an input sample at which an output sample is. */
class Filter {
  /** Output sample k is at input sample k * step / phases. */
  readonly phases: number;
  readonly step: number;
  /** Input samples that one output sample needs on each side. */
  readonly reach: number;
  readonly #bandwidth: number;
  readonly #taps: Float32Array[] = [];

  constructor(from: number, to: number) {
    const divisor = greatestCommonDivisor(from, to);
    this.phases = to / divisor;
    this.step = from / divisor;
    this.#bandwidth = CUTOFF * Math.min(1, to / from);
    this.reach = Math.ceil(CROSSINGS / this.#bandwidth);
  }

  taps(phase: number): Float32Array {
    return (this.#taps[phase] ??= Float32Array.from({ length: 2 * this.reach }, (_, tap) => {
      const distance = tap + 1 - this.reach - phase / this.phases;
      const place = distance / this.reach;
      const angle = Math.PI * this.#bandwidth * distance;
      const sinc = angle === 0 ? 1 : Math.sin(angle) / angle;
      const window = bessel(BETA * Math.sqrt(Math.max(1 - place * place, 0))) / bessel(BETA);
      return this.#bandwidth * sinc * window;
    }));
  }
}

class ChannelResampler {
  readonly #filter: Filter;
  /** Input from `reach - 1` samples before the next output on. */
  #input: Float32Array;
  #phase = 0;

  constructor(filter: Filter) {
    this.#filter = filter;
    this.#input = new Float32Array(filter.reach - 1);
  }

  push(samples: Float32Array): Float32Array {
    const input = new Float32Array(this.#input.length + samples.length);
    input.set(this.#input);
    input.set(samples, this.#input.length);
    const { phases, step, reach } = this.#filter;
    const output: number[] = [];
    let first = 0;
    for (; first + 2 * reach <= input.length;) {
      const taps = this.#filter.taps(this.#phase);
      let sum = 0;
      for (let tap = 0; tap < taps.length; tap++) {
        sum += (taps[tap] as number) * (input[first + tap] as number);
      }
      output.push(sum);
      this.#phase += step;
      first += Math.floor(this.#phase / phases);
      this.#phase %= phases;
    }
    this.#input = input.slice(first);
    return Float32Array.from(output);
  }

  end(): Float32Array {
    return this.push(new Float32Array(this.#filter.reach));
  }
}

const greatestCommonDivisor = (a: number, b: number): number =>
  b === 0 ? a : greatestCommonDivisor(b, a % b);

/** The modified Bessel function of order 0, of which a Kaiser window is made. */
function bessel(x: number): number {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > sum * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
