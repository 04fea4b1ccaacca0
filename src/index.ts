/**
 * OX Board Demucs as a library.
 *
 * ```ts
 * import { Separator } from 'oxboard-demucs';
 * const separator = await Separator.load('htdemucs');
 * const { stems } = await separator.separate({ sampleRate: 44100, channels: [left, right] });
 * await separator.dispose();
 * ```
 */
export { ERROR_CODES, OxboardError, type ErrorCode } from './errors.js';
export {
  Separator,
  type Separation,
  type SeparationStream,
  type StemBlock,
} from './engine/separator.js';
export type { Manifest } from './engine/manifest.js';
export type { ModelDescription } from './models/archive.js';
export { OPTIMIZATIONS } from './options.js';
export type {
  LoadOptions,
  MemoryShortage,
  Optimization,
  Progress,
  ProgressBatch,
  SeparateOptions,
  StreamOptions,
} from './options.js';
export type { AudioArrays, AudioSource } from './engine/audio-source.js';
