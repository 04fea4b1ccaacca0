/**
 * The native addon: its types, and the only place that loads it.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isErrorCode, OxboardError } from './errors.js';

/** An archive as the core needs it: plain, complete and checked. */
export interface NativeModelDescription {
  name: string;
  sources: number;
  channels: number;
  sampleRate: number;
  /** Sample frames. */
  segment: number;
  /** Sample frames; equal to `segment` when the networks take one length only. */
  minLength: number;
  members: { file: string; weights: number[] }[];
}

/** What a session computes. Lengths and positions are in sample frames. */
export interface NativePlan {
  length: number;
  segment: number;
  overlap: number;
  transitionPower: number;
  /** Indices of the requested sources. */
  sources: number[];
  /** For each bag member the offsets of its shifts, from 0 to `maxShift`; empty without shifts. */
  shiftOffsets: number[][];
  maxShift: number;
  batchSize: number;
  mean: number;
  deviation: number;
  silent: boolean;
}

export interface NativeModel {
  /** Bytes of all weights on the device. */
  readonly weightBytes: number;
  /** Lets go of the networks; sessions that still run keep them until they end. */
  dispose(): void;
}

/** One separation. All but `stop` and `dispose` throw while a step runs. */
export interface NativeSession {
  /** Frames to push before the next step can run. */
  readonly framesWanted: number;
  /** Finished frames that wait to be taken. */
  readonly framesReady: number;
  readonly done: boolean;
  readonly chunksDone: number;
  readonly chunksTotal: number;
  /**
   * Copies one block of the song, one array per channel.
   *
   * @return false, and nothing is taken, when that would be more than the song's length.
   */
  push(channels: readonly Float32Array[]): boolean;
  /** The unit of native work: runs one batch of segments on the libuv threadpool. */
  step(): Promise<void>;
  /** Takes up to `frames` finished frames: for each requested source, one array per channel. */
  take(frames: number): Float32Array[][];
  /** Ends a running step within one operator. */
  stop(): void;
  dispose(): void;
}

export interface NativeBinding {
  readonly libtorchVersion: string;
  readonly defaultThreads: number;
  devices(): string[];
  /** @throws an Error with code DEVICE_UNAVAILABLE. */
  resolveDevice(requested: string): string;
  /** The arena for CPU tensors, in bytes. */
  memory(): { capacity: number; inUse: number; peakInUse: number };
  loadModel(
    description: NativeModelDescription,
    device: string,
    threads: number,
  ): Promise<NativeModel>;
  Session: new (model: NativeModel, plan: NativePlan) => NativeSession;
}

// cmake-js builds into build/, node-gyp (through binding.gyp) into build-gyp/.
const PLACES = ['build', 'build-gyp'].map((folder) =>
  fileURLToPath(new URL(`../${folder}/Release/oxboard.node`, import.meta.url)),
);

let binding: NativeBinding | undefined;

/**
 * Loads the addon, once.
 *
 * @throws OxboardError NATIVE_MISSING when it is not built, NATIVE_UNLOADABLE when it does not load.
 */
export function loadNative(): NativeBinding {
  if (binding) return binding;
  const file = PLACES.find((place) => existsSync(place));
  if (!file) {
    throw new OxboardError(
      'NATIVE_MISSING',
      'The native addon is not built. Build it with: npx oxboard setup',
    );
  }
  try {
    binding = createRequire(import.meta.url)(file) as NativeBinding;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new OxboardError(
      'NATIVE_UNLOADABLE',
      `The native addon does not load: ${reason}\n` +
        'Likely causes: libtorch was moved or removed, or the addon was built for another system. ' +
        'Build it anew with: npx oxboard setup',
      { cause },
    );
  }
  return binding;
}

const openSessions = new Set<NativeSession>();

/** Starts a session that ends with the process: `process.exit()` waits for native work that runs. */
export function openSession(model: NativeModel, plan: NativePlan): NativeSession {
  const session = new (loadNative().Session)(model, plan);
  if (openSessions.size === 0) process.on('exit', stopSessions);
  openSessions.add(session);
  return session;
}

/** Ends a session that {@link openSession} started. */
export function closeSession(session: NativeSession): void {
  session.dispose();
  openSessions.delete(session);
  if (openSessions.size === 0) process.off('exit', stopSessions);
}

function stopSessions(): void {
  for (const session of openSessions) session.stop();
}

/** Gives an error of the addon our class, so that its stack points at the caller. */
export function fromNative(error: unknown): unknown {
  if (error instanceof OxboardError || !(error instanceof Error)) return error;
  const { code } = error as { code?: unknown };
  return isErrorCode(code) ? new OxboardError(code, error.message, { cause: error }) : error;
}
