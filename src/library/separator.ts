/**
 * A Separator that takes files too.
 */
import type { z } from 'zod';
import type { Warning } from '../audio/damage.js';
import { probe, type AudioTrack } from '../audio/probe.js';
import { Separator as Engine, type NamedStems } from '../engine/separator.js';
import {
  fileOptions,
  loadOptions,
  outputOptions,
  resolveOptions,
  separateFileOptions,
  separateOptions,
  type LoadOptions,
} from '../options.js';
import {
  separateFile as separate,
  type FileProgress,
  type StemFile,
} from '../separation/separate-file.js';

/** Options of `separator.separateFile`. */
export type FileOptions = Omit<z.input<typeof fileOptions>, 'onProgress'> & {
  onProgress?: (progress: FileProgress) => void;
};

/** Options of `separateFile`: those of the model, of the separation and of the files. */
export type SeparateFileOptions = FileOptions &
  Omit<LoadOptions, 'warmUp'> & {
    /** Name of an installed model, the best installed if not given. */
    model?: string;
  };

/** The stems of a file as files. */
export interface FileSeparation<S extends string = string> {
  /** By name: each source, or what `twoStems` and `mix` ask for. */
  stems: Record<S, StemFile>;
  /** What the owner of the song should know, such as damage of the file. */
  warnings: Warning[];
  /** The audio track that was separated; null if the file has only one. */
  track: AudioTrack | null;
  /** Length of the whole song in seconds. */
  songSeconds: number;
  /**
   * Level of the song minus the sum of all stems, in dB relative to the song; null when not all
   * stems were computed, or when the song is silent.
   */
  nullTestDb: number | null;
  /** Seconds of audio per second of work. */
  realtimeFactor: number;
  manifest: object;
}

/**
 * A model on a device, ready to separate arrays, streams and files.
 *
 * Tensor work runs on the libuv threadpool, one batch of segments at a time per device in the whole
 * process, so several separations (of one separator or many) take turns and the event loop stays
 * free.
 */
export class Separator extends Engine {
  /**
   * Loads an installed model.
   *
   * @param name its name; undefined takes the best installed.
   * @throws OxboardError MODEL_NOT_FOUND, MODEL_INVALID, MODEL_CHECKSUM, DEVICE_UNAVAILABLE,
   * OUT_OF_MEMORY, INVALID_OPTION, NATIVE_MISSING, NATIVE_UNLOADABLE; `signal.reason` when aborted.
   */
  static override load(name?: string, options: LoadOptions = {}): Promise<Separator> {
    return Separator.loadInto(Separator, name, options);
  }

  /**
   * Separates an audio or video file into files, as `oxboard separate` does: they go to
   * `<out>/<model>/<song>/<stem>.<ext>`. Memory does not depend on the length of the song. Nothing is
   * left behind unless it succeeds.
   *
   * @throws OxboardError of the input (INPUT_...), the options (INVALID_OPTION), the output
   * (OUTPUT_UNWRITABLE, DISK_FULL, ENCODE_FAILED) or the separation; `signal.reason` when aborted.
   */
  separateFile<S extends string>(
    file: string,
    options: NamedStems<FileOptions, S>,
  ): Promise<FileSeparation<S>>;
  separateFile(file: string, options?: FileOptions): Promise<FileSeparation>;
  async separateFile(file: string, options: FileOptions = {}): Promise<FileSeparation> {
    const { signal, onProgress } = options;
    const given = resolveOptions(fileOptions, options);
    const output = outputOptions.strip().parse(given);
    const input = await probe(file, { signal, track: output.track });
    const result = await separate({
      input,
      separator: this,
      output,
      options: separateOptions.strip().omit({ onProgress: true, signal: true }).parse(given),
      signal,
      ...(onProgress && { onProgress }),
    });
    const { warnings, track, songSeconds, nullTestDb, realtimeFactor, manifest } = result;
    const { stems } = result.output;
    return { stems, warnings, track, songSeconds, nullTestDb, realtimeFactor, manifest };
  }
}

/**
 * Loads a model, separates one file and lets go of the model. For several files
 * {@link Separator.load} keeps the model.
 *
 * @throws as {@link Separator.load} and {@link Separator.separateFile}.
 */
export function separateFile<S extends string>(
  file: string,
  options: NamedStems<SeparateFileOptions, S>,
): Promise<FileSeparation<S>>;
export function separateFile(file: string, options?: SeparateFileOptions): Promise<FileSeparation>;
export async function separateFile(
  file: string,
  options: SeparateFileOptions = {},
): Promise<FileSeparation> {
  // Before the model is loaded, which takes seconds.
  const { model } = resolveOptions(separateFileOptions, options);
  const given = ({ shape }: typeof loadOptions | typeof fileOptions) =>
    Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(shape, name)));
  // The song's own first segment makes the checks of a warm-up.
  const separator = await Separator.load(model, { ...given(loadOptions), warmUp: false });
  try {
    return await separator.separateFile(file, given(fileOptions));
  } finally {
    await separator.dispose();
  }
}
