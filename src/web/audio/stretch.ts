/**
 * Changes the pitch of what passes through, by Signalsmith Stretch. It is loaded when it is needed.
 */
import type { StretchNode } from 'signalsmith-stretch';

export interface Stretch {
  node: AudioNode;
  /** Between what comes in and what goes out. */
  latencySeconds: number;
  setSemitones: (semitones: number) => void;
}

/** Browsers have audio worklets only on pages of https and of localhost. */
export const canStretch = (): boolean =>
  globalThis.isSecureContext && typeof AudioWorkletNode === 'function';

export async function createStretch(context: AudioContext): Promise<Stretch> {
  const [{ default: create }, { default: moduleUrl }] = await Promise.all([
    import('signalsmith-stretch'),
    import('signalsmith-stretch?url'),
  ]);
  // Of our own origin; otherwise it would be a Blob, which the content security policy refuses.
  create.moduleUrl = moduleUrl;
  const node: StretchNode = await create(context, {
    numberOfInputs: 1,
    numberOfOutputs: 1,
    outputChannelCount: [2],
  });
  const latencySeconds = await node.latency();
  return {
    node,
    latencySeconds,
    setSemitones: (semitones) => void node.schedule({ active: true, semitones }),
  };
}
