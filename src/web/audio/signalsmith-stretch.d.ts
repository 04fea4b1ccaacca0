/** What the page uses of the package, which has no types of its own. */
declare module 'signalsmith-stretch' {
  export interface StretchNode extends AudioWorkletNode {
    /** Seconds. */
    latency(): Promise<number>;
    schedule(change: { active: boolean; semitones: number }): Promise<void>;
  }
  interface CreateStretch {
    (context: AudioContext, options: AudioWorkletNodeOptions): Promise<StretchNode>;
    moduleUrl?: string;
  }
  const create: CreateStretch;
  export default create;
}

declare module 'signalsmith-stretch?url' {
  const url: string;
  export default url;
}
