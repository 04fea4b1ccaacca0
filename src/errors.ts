/**
 * Every error that OX Board Demucs raises on purpose, in one table: what each code means and how
 * the command line ends on it. Messages are written where the error is made, because only that
 * place knows the values; the code is what programs rely on.
 */
export const ERROR_CODES = {
  INVALID_OPTION: { exitStatus: 2, meaning: 'An option has a wrong type or value' },
  INVALID_ENVIRONMENT: { exitStatus: 2, meaning: 'An environment variable has a wrong value' },
  PLATFORM_UNSUPPORTED: { exitStatus: 1, meaning: 'This operating system is not supported' },
  SETUP_FAILED: { exitStatus: 1, meaning: 'Something that set-up needs cannot be had' },
  ABORTED: { exitStatus: 1, meaning: 'The work was stopped by its AbortSignal' },
  DISPOSED: { exitStatus: 1, meaning: 'The separator was disposed of before or during the call' },
  INTERNAL: { exitStatus: 1, meaning: 'A defect in this package' },

  NATIVE_MISSING: { exitStatus: 1, meaning: 'The native addon has not been built' },
  NATIVE_UNLOADABLE: { exitStatus: 1, meaning: 'The native addon is there but does not load' },
  DEVICE_UNAVAILABLE: { exitStatus: 1, meaning: 'The device asked for is not there' },
  OUT_OF_MEMORY: { exitStatus: 1, meaning: 'The memory for tensors ran out' },
  INFERENCE_FAILED: { exitStatus: 1, meaning: 'libtorch refused to run the network' },
  OUTPUT_NOT_FINITE: { exitStatus: 1, meaning: 'The network gave NaN or Inf for a segment' },

  MODEL_NOT_FOUND: { exitStatus: 1, meaning: 'No archive of that name is installed' },
  MODEL_INVALID: { exitStatus: 1, meaning: 'The archive is malformed or does not do what it says' },
  MODEL_CHECKSUM: { exitStatus: 1, meaning: 'A file of the archive differs from its checksum' },
  MODEL_EXPORT_FAILED: { exitStatus: 1, meaning: 'The exporter could not make the archive' },

  INPUT_NOT_FOUND: { exitStatus: 1, meaning: 'The input file does not exist' },
  INPUT_NOT_A_FILE: { exitStatus: 1, meaning: 'The input is a folder, a pipe or a device' },
  INPUT_UNREADABLE: { exitStatus: 1, meaning: 'The input may not be read, or reading it failed' },
  INPUT_NOT_AUDIO: { exitStatus: 1, meaning: 'The input holds no audio that can be decoded' },
  INPUT_NOT_FINITE: { exitStatus: 1, meaning: 'The input holds NaN or Inf samples' },
  INPUT_EMPTY: { exitStatus: 1, meaning: 'The input holds no samples' },
  INPUT_CHANGED: { exitStatus: 1, meaning: 'The source gave other audio on its second reading' },
  FFMPEG_MISSING: { exitStatus: 1, meaning: 'ffmpeg or ffprobe is not installed' },
  OUTPUT_UNWRITABLE: { exitStatus: 1, meaning: 'The output folder or file cannot be written' },
  DISK_FULL: { exitStatus: 1, meaning: 'There is not enough space on the disk' },
  ENCODE_FAILED: { exitStatus: 1, meaning: 'ffmpeg could not write the output format' },
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** An error with a stable `code` from {@link ERROR_CODES} and a message written for people. */
export class OxboardError extends Error {
  override readonly name = 'OxboardError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Tells whether `code` is one of ours, for errors that come out of the native addon. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERROR_CODES, code);
}
