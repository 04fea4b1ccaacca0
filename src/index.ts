/**
 * OX Board Demucs as a library.
 *
 * ```ts
 * import { separateFile, Separator } from 'oxboard-demucs';
 * const { stems } = await separateFile('song.mp3', { out: 'stems', format: 'flac' });
 *
 * const separator = await Separator.load('htdemucs');
 * const { stems } = await separator.separate({ sampleRate: 44100, channels: [left, right] });
 * await separator.dispose();
 * ```
 */
export { ERROR_CODES, OxboardError, type ErrorCode } from './errors.js';
export {
  decodeFile,
  encodeFile,
  type DecodedFile,
  type DecodeFileOptions,
  type EncodeFileOptions,
  type WrittenFile,
} from './library/audio-files.js';
export {
  separateFile,
  Separator,
  type FileOptions,
  type FileSeparation,
  type SeparateFileOptions,
} from './library/separator.js';
export type { FileProgress, StemFile } from './separation/separate-file.js';
export type { AudioTrack } from './audio/probe.js';
export type { Warning } from './audio/damage.js';
export type { Separation, SeparationStream, StemBlock } from './engine/separator.js';
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
