/**
 * Every error that OX Board Demucs raises on purpose, in one table: what each code means, how the
 * command line ends on it, and the status with which the service answers a request that fails so
 * (500 where none is given: the request was in order). Messages are written where the error is made,
 * because only that place knows the values; the code is what programs rely on.
 */
export const ERROR_CODES = {
  INVALID_OPTION: {
    exitStatus: 2,
    httpStatus: 422,
    meaning: 'An option has a wrong type or value',
  },
  INVALID_ENVIRONMENT: { exitStatus: 2, meaning: 'An environment variable has a wrong value' },
  PLATFORM_UNSUPPORTED: { exitStatus: 1, meaning: 'This operating system is not supported' },
  SETUP_FAILED: { exitStatus: 1, meaning: 'Something that set-up needs cannot be had' },
  PACKAGE_MISSING: {
    exitStatus: 1,
    meaning: 'An optional package that a setting needs is not installed',
  },
  PACKAGE_INCOMPLETE: {
    exitStatus: 1,
    meaning: 'The code runs away from the files of its package',
  },
  ABORTED: { exitStatus: 1, meaning: 'The work was stopped by its AbortSignal' },
  DISPOSED: { exitStatus: 1, meaning: 'The separator was disposed of before or during the call' },
  INTERNAL: { exitStatus: 1, meaning: 'A defect in this package' },

  NATIVE_MISSING: { exitStatus: 1, meaning: 'The native addon has not been built' },
  NATIVE_UNLOADABLE: { exitStatus: 1, meaning: 'The native addon is there but does not load' },
  DEVICE_UNAVAILABLE: { exitStatus: 1, meaning: 'The device asked for is not there' },
  OUT_OF_MEMORY: {
    exitStatus: 1,
    meaning: 'Memory ran out for tensors, or something ended ffmpeg',
  },
  INFERENCE_FAILED: { exitStatus: 1, meaning: 'libtorch refused to run the network' },
  OUTPUT_NOT_FINITE: { exitStatus: 1, meaning: 'The network gave NaN or Inf for a segment' },

  MODEL_NOT_FOUND: {
    exitStatus: 1,
    httpStatus: 422,
    meaning: 'No archive of that name is installed',
  },
  MODEL_INVALID: { exitStatus: 1, meaning: 'The archive is malformed or does not do what it says' },
  MODEL_ARCHITECTURE_UNKNOWN: {
    exitStatus: 1,
    meaning: 'There is no graph for the network that the weights are of',
  },
  MODEL_CHECKSUM: { exitStatus: 1, meaning: 'A file of the archive differs from its checksum' },
  MODEL_EXPORT_FAILED: { exitStatus: 1, meaning: 'The exporter could not make the archive' },
  MODEL_UNKNOWN: { exitStatus: 2, meaning: 'The catalogue has no model of that name' },
  LICENSE_NOT_STATED: {
    exitStatus: 1,
    meaning: 'No license is stated for the weights of the model, and one was required',
  },
  MODEL_BUSY: { exitStatus: 1, meaning: 'Another process is pulling the model' },

  DOWNLOAD_FAILED: { exitStatus: 1, meaning: 'The host could not be reached, or kept failing' },
  DOWNLOAD_UNAUTHORISED: { exitStatus: 1, meaning: 'The host wants a token, or another one' },
  DOWNLOAD_NOT_FOUND: { exitStatus: 1, meaning: 'The source does not have the file' },
  DOWNLOAD_CORRUPT: { exitStatus: 1, meaning: 'The file differs from its size or checksum' },

  INPUT_NOT_FOUND: { exitStatus: 1, meaning: 'The input file does not exist' },
  INPUT_NOT_A_FILE: { exitStatus: 1, meaning: 'The input is a folder, a pipe or a device' },
  INPUT_UNREADABLE: { exitStatus: 1, meaning: 'The input may not be read, or reading it failed' },
  INPUT_NOT_AUDIO: {
    exitStatus: 1,
    httpStatus: 415,
    meaning: 'The input holds no audio that can be decoded',
  },
  INPUT_DAMAGED: { exitStatus: 1, meaning: 'More than a tenth of the audio is lost' },
  INPUT_NOT_FINITE: {
    exitStatus: 1,
    httpStatus: 415,
    meaning: 'The input holds NaN or Inf samples',
  },
  INPUT_EMPTY: { exitStatus: 1, httpStatus: 415, meaning: 'The input holds no samples' },
  INPUT_CHANGED: { exitStatus: 1, meaning: 'The source gave other audio on its second reading' },
  FFMPEG_MISSING: { exitStatus: 1, meaning: 'ffmpeg or ffprobe is not installed' },
  OUTPUT_UNWRITABLE: { exitStatus: 1, meaning: 'The output folder or file cannot be written' },
  DISK_FULL: { exitStatus: 1, httpStatus: 507, meaning: 'There is not enough space on the disk' },
  ENCODE_FAILED: { exitStatus: 1, meaning: 'ffmpeg could not write the output format' },

  REQUEST_INVALID: { exitStatus: 1, httpStatus: 400, meaning: 'The request is malformed' },
  PATH_NOT_FOUND: { exitStatus: 1, httpStatus: 404, meaning: 'The service has no such path' },
  METHOD_NOT_ALLOWED: { exitStatus: 1, httpStatus: 405, meaning: 'The path has no such method' },
  API_KEY_REQUIRED: { exitStatus: 1, httpStatus: 401, meaning: 'The request has no API key' },
  API_KEY_INVALID: { exitStatus: 1, httpStatus: 401, meaning: 'There is no such API key' },
  ADMIN_KEY_INVALID: {
    exitStatus: 1,
    httpStatus: 401,
    meaning: 'The request does not have the ADMIN_KEY of the service',
  },
  TOKEN_INVALID: {
    exitStatus: 1,
    httpStatus: 401,
    meaning: 'The token of the URL has expired, or is not for this job',
  },
  ORIGIN_NOT_ALLOWED: {
    exitStatus: 1,
    httpStatus: 403,
    meaning: 'The page that asks is not of API_CORS_ORIGINS',
  },
  HOST_NOT_ALLOWED: {
    exitStatus: 1,
    httpStatus: 421,
    meaning: 'The Host header has a name that is not in ALLOWED_HOSTS',
  },
  UPGRADE_REQUIRED: { exitStatus: 1, httpStatus: 426, meaning: 'The path speaks WebSocket only' },
  JOB_NOT_FOUND: { exitStatus: 1, httpStatus: 404, meaning: 'There is no such job, or no more' },
  STEM_NOT_FOUND: { exitStatus: 1, httpStatus: 404, meaning: 'The job has no stem of that name' },
  CHUNK_NOT_READY: {
    exitStatus: 1,
    httpStatus: 404,
    meaning: 'The chunk of the stem is not separated yet',
  },
  CHUNK_NOT_FOUND: {
    exitStatus: 1,
    httpStatus: 404,
    meaning: 'The job has no such chunk, or no more',
  },
  JOB_NOT_COMPLETED: {
    exitStatus: 1,
    httpStatus: 409,
    meaning: 'The job has no stems yet, or never will',
  },
  JOB_ENDED: {
    exitStatus: 1,
    httpStatus: 409,
    meaning: 'The job has ended, and cannot be cancelled',
  },
  JOB_NOT_FAILED: {
    exitStatus: 1,
    httpStatus: 409,
    meaning: 'Only a job that failed can be tried again',
  },
  IDEMPOTENCY_CONFLICT: {
    exitStatus: 1,
    httpStatus: 409,
    meaning: 'The Idempotency-Key was used with another request',
  },
  UPLOAD_NOT_FOUND: {
    exitStatus: 1,
    httpStatus: 404,
    meaning: 'There is no such upload, or no more',
  },
  UPLOAD_OFFSET_CONFLICT: {
    exitStatus: 1,
    httpStatus: 409,
    meaning: 'The Upload-Offset is not where the upload ends',
  },
  UPLOAD_INCOMPLETE: {
    exitStatus: 1,
    httpStatus: 409,
    meaning: 'The upload is not complete',
  },
  UPLOAD_BUSY: {
    exitStatus: 1,
    httpStatus: 423,
    meaning: 'Another request for this upload has not ended',
  },
  UPLOADS_TOO_MANY: {
    exitStatus: 1,
    httpStatus: 429,
    meaning: 'More open uploads of one client than RESUMABLE_UPLOADS',
  },
  UPLOADS_TOO_LARGE: {
    exitStatus: 1,
    httpStatus: 413,
    meaning: 'More bytes in open uploads of one client than RESUMABLE_UPLOAD_BYTES',
  },
  TUS_VERSION_UNSUPPORTED: {
    exitStatus: 1,
    httpStatus: 412,
    meaning: 'The request has no "Tus-Resumable: 1.0.0"',
  },
  UPLOAD_TIMEOUT: { exitStatus: 1, httpStatus: 408, meaning: 'The upload took too long' },
  FILE_TOO_LARGE: {
    exitStatus: 1,
    httpStatus: 413,
    meaning: 'The upload exceeds DEMUCS_MAX_FILE_SIZE',
  },
  AUDIO_TOO_LONG: {
    exitStatus: 1,
    httpStatus: 413,
    meaning: 'The audio exceeds DEMUCS_MAX_DURATION',
  },
  MEDIA_TYPE_UNSUPPORTED: {
    exitStatus: 1,
    httpStatus: 415,
    meaning: 'The request body is not multipart/form-data, or it is compressed',
  },
  RANGE_NOT_SATISFIABLE: {
    exitStatus: 1,
    httpStatus: 416,
    meaning: 'The Range lies outside the stem',
  },
  WEBHOOKS_DISABLED: {
    exitStatus: 1,
    httpStatus: 422,
    meaning: 'callback_url was given, but the service has no WEBHOOK_SECRET',
  },
  ADDRESS_NOT_PUBLIC: {
    exitStatus: 1,
    httpStatus: 422,
    meaning: 'The address belongs to a private network',
  },
  RATE_LIMITED: {
    exitStatus: 1,
    httpStatus: 429,
    meaning:
      'More jobs than API_RATE_LIMIT, more refusals than API_REFUSAL_LIMIT, or too many wrong admin keys',
  },
  REDIS_UNAVAILABLE: { exitStatus: 1, httpStatus: 503, meaning: 'Redis does not answer' },
  REDIS_REFUSES_WRITES: {
    exitStatus: 1,
    httpStatus: 503,
    meaning:
      'Redis refuses writes, mostly for lack of memory or disk space: raise its maxmemory, or free space',
  },
  STORAGE_UNAVAILABLE: { exitStatus: 1, httpStatus: 503, meaning: 'The storage does not answer' },
  NO_WORKER: {
    exitStatus: 1,
    httpStatus: 503,
    meaning: 'No worker took the job in time, or none has announced its models yet',
  },
  SHUTTING_DOWN: { exitStatus: 1, httpStatus: 503, meaning: 'The service is being stopped' },
  ATTEMPTS_EXHAUSTED: {
    exitStatus: 1,
    meaning: 'Workers ended again and again while they worked on the job',
  },

  SOURCE_URL_DISABLED: {
    exitStatus: 1,
    httpStatus: 422,
    meaning: 'source_url was given, but the service has no SOURCE_URL_HOSTS',
  },
  SOURCE_URL_HOST_NOT_ALLOWED: {
    exitStatus: 1,
    httpStatus: 422,
    meaning: 'The link, or a redirect of it, is to a host that is not in SOURCE_URL_HOSTS',
  },
  SOURCE_URL_REFUSED: {
    exitStatus: 1,
    meaning: 'The host of the link does not give the file',
  },
  SOURCE_URL_NETWORK: {
    exitStatus: 1,
    meaning: 'The host of the link could not be reached, or the download broke off',
  },

  YOUTUBE_HOST_NOT_ALLOWED: {
    exitStatus: 1,
    httpStatus: 422,
    meaning: 'The link is to a host that is not in YOUTUBE_ALLOWED_HOSTS',
  },
  YOUTUBE_PLAYLIST: {
    exitStatus: 1,
    httpStatus: 422,
    meaning: 'The link is to a playlist or channel, not to one video',
  },
  YOUTUBE_LIVE: { exitStatus: 1, meaning: 'The video is a live stream, or has not begun yet' },
  YOUTUBE_PRIVATE: {
    exitStatus: 1,
    meaning: 'The video is private, or for members or buyers only',
  },
  YOUTUBE_AGE_RESTRICTED: {
    exitStatus: 1,
    meaning: 'The video is shown only to accounts of adults',
  },
  YOUTUBE_GEO_BLOCKED: {
    exitStatus: 1,
    meaning: 'The video is not available in the country of this service',
  },
  YOUTUBE_UNAVAILABLE: { exitStatus: 1, meaning: 'There is no such video, or no more' },
  YOUTUBE_NO_AUDIO: { exitStatus: 1, meaning: 'The video has no audio that can be downloaded' },
  YOUTUBE_BOT_CHECK: { exitStatus: 1, meaning: 'The site takes this service for a bot' },
  YOUTUBE_RATE_LIMITED: {
    exitStatus: 1,
    meaning: 'The site has had too many requests from this service',
  },
  YOUTUBE_NETWORK: {
    exitStatus: 1,
    meaning: 'The site could not be reached, or the download broke off',
  },
  YOUTUBE_BINARY_MISSING: {
    exitStatus: 1,
    meaning: 'yt-dlp is not installed where the workers run',
  },
  YOUTUBE_OUTDATED: { exitStatus: 1, meaning: 'The installed yt-dlp is too old for the site' },
  YOUTUBE_JS_RUNTIME_MISSING: {
    exitStatus: 1,
    meaning: 'yt-dlp has no JavaScript runtime, which YouTube needs',
  },
  YOUTUBE_FAILED: { exitStatus: 1, meaning: 'yt-dlp could not download the video' },

  REDIS_MISSING: { exitStatus: 1, meaning: 'redis-server is not installed' },
  DATA_DIR_IN_USE: { exitStatus: 1, meaning: 'Another service keeps its data in DATA_DIR' },
  SERVICE_CALL_FAILED: {
    exitStatus: 1,
    meaning: 'A running service did not do what the command line asked it for',
  },
  PORT_TAKEN: { exitStatus: 1, meaning: 'Another program listens on the port' },
} as const satisfies Record<string, { exitStatus: number; httpStatus?: number; meaning: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** The HTTP status with which a request that fails by `code` is answered. */
export function httpStatusOf(code: ErrorCode): number {
  const entry = ERROR_CODES[code];
  return 'httpStatus' in entry ? entry.httpStatus : 500;
}

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
