/**
 * How a mix sounds: one chain of gain, pan and meter for each stem, joined in a master gain. What is
 * played and what is saved use the same graph.
 */

/** What a listener has set for one stem. */
export interface StemMix {
  /** Linear gain, from 0 to 1.5. */
  volume: number;
  /** From -1 (left) to 1 (right). */
  pan: number;
  muted: boolean;
  solo: boolean;
}

export type Mix = Readonly<Record<string, StemMix>>;

export const NEUTRAL: StemMix = { volume: 1, pan: 0, muted: false, solo: false };

/** Seconds in which a gain moves to its new value, so that nothing clicks. */
const SMOOTH_SECONDS = 0.015;
const METER_SIZE = 1024;

/** The gain of a stem: 0 if it is muted, or if another stem is solo and it is not. */
export function audibleGain(mix: Mix, name: string): number {
  const { volume, muted, solo } = mix[name] ?? NEUTRAL;
  const others = Object.values(mix).some((stem) => stem.solo);
  return muted || (others && !solo) ? 0 : volume;
}

interface Channel {
  input: GainNode;
  gain: GainNode;
  pan: StereoPannerNode;
  meter: AnalyserNode;
}

export class MixGraph {
  /** What all stems are joined in. The owner connects it. */
  readonly output: GainNode;
  readonly #channels: ReadonlyMap<string, Channel>;
  readonly #samples = new Float32Array(METER_SIZE);

  /** @param scale by which the audio of the chunks was multiplied. */
  constructor(context: BaseAudioContext, stems: readonly string[], scale: number) {
    this.output = new GainNode(context);
    this.#channels = new Map(
      stems.map((name) => {
        const input = new GainNode(context, { gain: 1 / scale });
        const gain = new GainNode(context);
        const pan = new StereoPannerNode(context);
        const meter = new AnalyserNode(context, { fftSize: METER_SIZE });
        input.connect(gain).connect(pan).connect(meter).connect(this.output);
        return [name, { input, gain, pan, meter }];
      }),
    );
  }

  /** Where the sources of a stem connect to. */
  input(name: string): AudioNode {
    return this.#channel(name).input;
  }

  /** @param smooth moves to the new values within milliseconds; otherwise they count at once. */
  apply(mix: Mix, master: number, smooth: boolean): void {
    const now = this.output.context.currentTime;
    const move = (parameter: AudioParam, value: number) => {
      if (smooth) parameter.setTargetAtTime(value, now, SMOOTH_SECONDS);
      else parameter.value = value;
    };
    move(this.output.gain, master);
    for (const [name, { gain, pan }] of this.#channels) {
      move(gain.gain, audibleGain(mix, name));
      move(pan.pan, mix[name]?.pan ?? 0);
    }
  }

  /** The greatest absolute sample of the last moment, of one stem as it sounds. */
  level(name: string): number {
    this.#channel(name).meter.getFloatTimeDomainData(this.#samples);
    return this.#samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
  }

  #channel(name: string): Channel {
    const channel = this.#channels.get(name);
    if (!channel) throw new RangeError(`There is no stem ${name}`);
    return channel;
  }
}
