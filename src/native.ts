/**
 * The native addon: its types, and the only place that loads it.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isErrorCode, OxboardError } from './errors.js';
import { cacheFolder } from './lib/cache-folder.js';
import { findPrebuilt } from './lib/prebuilt.js';

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
  /** How segments are joined that do not fade into each other; see ModelDescription. */
  overlapAdd?: { overlap: number; lead: number } | undefined;
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
  /** First frame that is wanted; 0: all. */
  resumeFrom: number;
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

/** How the segments of a step came through. All 0 where another session's step took them along. */
export interface NativeStepReport {
  /** Memory of the GPU ran out, and no more segments than this are tried at a time; else 0. */
  shrunkTo: number;
  /** Segments that the GPU had no memory for even alone, and that the CPU ran. */
  onCpu: number;
}

/** What stands between this process and an NVIDIA GPU. */
export interface NativeGpuStatus {
  /** Version of CUDA in libtorch, such as `13.0`; empty in a CPU build. */
  cuda: string;
  /** Newest CUDA that the driver serves; empty without a driver. */
  driverCuda: string;
  /** In the order of their numbers in `cuda:N`. */
  gpus: { name: string; memoryBytes: number }[];
  /** Why no GPU can be used; empty when one can. */
  reason: string;
}

/** One separation. All but `stop` and `dispose` throw while a step runs. */
export interface NativeSession {
  /** First frame of the song to push. */
  readonly inputStart: number;
  /** Frames to push before the next step can run. */
  readonly framesWanted: number;
  /** Index of the bag member that the next step runs; -1 when there is none. */
  readonly nextMember: number;
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
  step(): Promise<NativeStepReport>;
  /** Takes up to `frames` finished frames: for each requested source, one array per channel. */
  take(frames: number): Float32Array[][];
  /** Ends a running step within one operator. */
  stop(): void;
  dispose(): void;
}

/** Integers of `width` bits, packed as DiffQ packs them into `lines` of `width` x `block` words. */
export interface NativePackedIntegers {
  /** Bytes from the start of the file. */
  offset: number;
  lines: number;
  width: number;
  block: number;
}

/** What fills one parameter of a skeleton: numbers as they are, or levels that DiffQ packed. */
export type NativeParameter =
  | { name: string; dtype: 'F16' | 'BF16' | 'F32'; offset: number; bytes: number }
  | {
      name: string;
      groupSize: number;
      minBits: number;
      groupBits: NativePackedIntegers;
      levels: { bits: number; packed: NativePackedIntegers }[];
      minimum: number;
      maximum: number;
    };

/** The graph: the path of one without weights, or TorchScript source of its methods. */
export type NativeGraph = { skeleton: string } | { script: string };

/** A graph, and what its parameters are filled with. */
export type NativeFilling = NativeGraph & {
  /** Path of the file that the ranges are of. */
  weights: string;
  /** One for each parameter of the graph; with `shape` where the graph is source. */
  parameters: (NativeParameter & { shape?: readonly number[] })[];
};

export type NativeSkeletonTask = NativeFilling & {
  /** Path of the network file to write, which must not exist. */
  out: string;
};

export interface NativeBinding {
  readonly libtorchVersion: string;
  readonly defaultThreads: number;
  devices(): string[];
  /** @throws an Error with code DEVICE_UNAVAILABLE. */
  resolveDevice(requested: string): string;
  gpu(): NativeGpuStatus;
  /** The arena for CPU tensors, in bytes, and how many models hold their networks. */
  memory(): { capacity: number; inUse: number; peakInUse: number; models: number };
  loadModel(
    description: NativeModelDescription,
    device: string,
    threads: number,
    optimizations: readonly string[],
    tf32: boolean,
  ): Promise<NativeModel>;
  /** Writes a network file: the graph of a skeleton with published weights. */
  fillSkeleton(task: NativeSkeletonTask): Promise<void>;
  Session: new (model: NativeModel, plan: NativePlan) => NativeSession;
}

/**
 * Builds for this machine: in a clone or an image beside the sources, else in the cache. cmake-js
 * builds into build/, node-gyp (through binding.gyp) into build-gyp/.
 */
function localBuilds(): string[] {
  return [fileURLToPath(new URL('..', import.meta.url)), cacheFolder()]
    .flatMap((place) => ['build', 'build-gyp'].map((name) => join(place, name)))
    .map((folder) => join(folder, 'Release', 'oxboard.node'))
    .filter((file) => existsSync(file));
}

let binding: NativeBinding | undefined;

/**
 * Loads the addon, once: a build for this machine, else the prebuilt one.
 *
 * @throws OxboardError NATIVE_MISSING when there is none, NATIVE_UNLOADABLE with every reason when none
 * loads, OUT_OF_MEMORY when libtorch does not fit.
 */
export function loadNative(): NativeBinding {
  if (binding) return binding;
  const prebuilt = findPrebuilt();
  const reasons: string[] = [];
  let cause: unknown;
  const files = localBuilds();
  if (prebuilt) {
    if ('file' in prebuilt) files.push(prebuilt.file);
    else reasons.push(prebuilt.reason);
  }
  for (const file of files) {
    const flaw = flawOf(file);
    if (flaw) {
      reasons.push(`${flaw} (${file})`);
      continue;
    }
    try {
      binding = createRequire(import.meta.url)(file) as NativeBinding;
      return binding;
    } catch (error) {
      cause = error;
      reasons.push(explain(error));
    }
  }
  if (reasons.length === 0) {
    throw new OxboardError(
      'NATIVE_MISSING',
      'The native addon is not built. Build it with: npx oxboard setup',
    );
  }
  throw new OxboardError(
    'NATIVE_UNLOADABLE',
    `The native addon does not load: ${reasons.join('; ')}. Build it anew with: npx oxboard setup`,
    { cause },
  );
}

const ELF_HEADER_BYTES = 64;
const ELF_MACHINES: Partial<Record<NodeJS.Architecture, number>> = { x64: 62, arm64: 183 };

/**
 * What is wrong with a binary on Linux, judged by its header. A file cut short must never reach the
 * dynamic linker, where it kills the process; one for another processor is "not found" there.
 */
function flawOf(file: string): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const header = Buffer.alloc(ELF_HEADER_BYTES);
  let size: number;
  let read: number;
  try {
    const descriptor = openSync(file, 'r');
    try {
      size = fstatSync(descriptor).size;
      read = readSync(descriptor, header);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    return `it cannot be read (${error instanceof Error ? error.message : String(error)})`;
  }
  const isElf = read === ELF_HEADER_BYTES && header.readUInt32BE(0) === 0x7f454c46;
  if (!isElf) return 'it is damaged or built for another operating system';
  const machine = ELF_MACHINES[process.arch];
  const is64Bit = header[4] === 2;
  if (!is64Bit || (machine !== undefined && header.readUInt16LE(18) !== machine)) {
    return `it is built for another processor than ${process.arch}`;
  }
  // The table of sections is the last thing in the file.
  const end =
    Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60);
  return end > size ? 'it is damaged: its end is missing' : undefined;
}

/** What the dynamic linker says, and what it means. */
const CAUSES: readonly [RegExp, string][] = [
  [/GLIBC|CXXABI/, 'it needs a system with newer libraries than this one has'],
  [
    /lib(torch|c10|gomp|omp)\S*: (cannot open|no such)|Library not loaded/i,
    'libtorch was moved or removed since it was built',
  ],
  [
    /lib(cu[a-z]+|nv[a-z0-9]+|nccl)\S*: (cannot open|no such)/i,
    'libtorch is a CUDA build, and the NVIDIA libraries (the folder nvidia/) are not beside it',
  ],
  [/undefined symbol|symbol not found/i, 'libtorch is another release than it is built with'],
  [/NODE_MODULE_VERSION/, 'it is built for another version of Node.js'],
  [/self-register/, 'it is no addon for Node.js'],
  [/failed to map segment/, 'its file system forbids to run programs (noexec)'],
];

/** @throws OxboardError OUT_OF_MEMORY */
function explain(cause: unknown): string {
  const said = cause instanceof Error ? cause.message : String(cause);
  const reason = said.split(/\s*\n\s*/).join(' ');
  if (/allocate memory|failed to map segment/.test(reason) && addressSpaceIsLimited()) {
    const message = `Not enough memory to load libtorch. ${MORE_MEMORY} (the system says: ${reason})`;
    throw new OxboardError('OUT_OF_MEMORY', message, { cause });
  }
  const known = CAUSES.find(([pattern]) => pattern.test(reason))?.[1];
  return known ? `${known} (${reason})` : reason;
}

const MORE_MEMORY =
  'Raise the limit (ulimit -v, or that of the container), end other programs, or use a machine with more';

/** The linker says the same of an exhausted address space and of a file system without programs. */
function addressSpaceIsLimited(): boolean {
  // Without this it would ask DNS for names.
  (process.report as { excludeNetwork?: boolean }).excludeNetwork = true;
  const { userLimits } = process.report.getReport() as {
    userLimits?: { virtual_memory_kbytes?: { soft: number | string } };
  };
  return typeof userLimits?.virtual_memory_kbytes?.soft === 'number';
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
  if (!isErrorCode(code)) return error;
  const mend = code === 'OUT_OF_MEMORY' ? `. ${MORE_MEMORY}` : '';
  return new OxboardError(code, `${error.message}${mend}`, { cause: error });
}
