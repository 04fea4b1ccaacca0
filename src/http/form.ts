/**
 * From the fields of a form to the options of options.ts, and back.
 */
import { parseSourceUrl } from '../intake/source-url/url.js';
import { parseYoutubeUrl } from '../intake/youtube/url.js';
import { OxboardError } from '../errors.js';
import {
  describeOption,
  InvalidOptionError,
  invalidOption,
  jobOptions,
  nearestName,
  optionFromText,
  resolveOptions,
  type JobOptions,
} from '../options.js';
import type { JobRequest } from '../jobs/job.js';
import { parseCallbackUrl } from '../webhooks/callback-url.js';
import {
  clientReference,
  FIELD_NAMES,
  fieldOf,
  modelName,
  normalizeFlag,
  OPTION_OF_FIELD,
  stemifyForm,
} from './schemas/stemify.js';

export interface Form {
  /** Undefined: the service's default. */
  model: string | undefined;
  options: JobOptions;
  /** Of a video with the song, or of the song, instead of a file. */
  youtubeUrl: string | undefined;
  sourceUrl: string | undefined;
  /** Of an upload that was sent before, instead of a file. */
  uploadId: string | undefined;
  /** Where the end of the job is to be told. */
  callbackUrl: string | undefined;
  /** By what the client knows the job. */
  clientReference: string | undefined;
}

export interface FormSettings {
  /** Of links to videos. */
  youtubeHosts: readonly string[];
  /** Of links to files; undefined: the service takes none. */
  sourceUrlHosts: readonly string[] | undefined;
  /** What callback URLs may be; undefined: the service has no webhooks. */
  callbacks: { allowPrivate: boolean } | undefined;
}

/**
 * @param fields texts, or arrays of texts; empty ones count as not given, as browsers send them.
 * @throws OxboardError INVALID_OPTION, with the form's name of the field; WEBHOOKS_DISABLED,
 * ADDRESS_NOT_PUBLIC, YOUTUBE_HOST_NOT_ALLOWED, YOUTUBE_PLAYLIST, SOURCE_URL_DISABLED,
 * SOURCE_URL_HOST_NOT_ALLOWED.
 */
export function readForm(
  fields: Record<string, unknown>,
  { callbacks, youtubeHosts, sourceUrlHosts }: FormSettings,
): Form {
  const given = Object.entries(fields).filter(([, value]) => value !== '');
  for (const [name] of given) checkName(name);
  const {
    model,
    callback_url: callback,
    youtube_url: video,
    source_url: sourceUrl,
    upload_id: upload,
    client_reference: reference,
    normalize,
    ...rest
  } = Object.fromEntries(given);
  const name = modelName.optional().safeParse(model);
  if (!name.success) throw invalidOption('model', 'name of a model', model);
  const options = readOptions({ ...rest, ...clipModeOf(normalize, rest) });
  return {
    model: name.data,
    options,
    youtubeUrl: readLink('youtube_url', video, (link) => parseYoutubeUrl(link, youtubeHosts)),
    sourceUrl: readLink('source_url', sourceUrl, (link) => {
      return parseSourceUrl(link, sourceUrlHosts).url.href;
    }),
    uploadId: readUploadId(upload),
    callbackUrl: readCallback(callback, callbacks),
    clientReference: readReference(reference),
  };
}

function readLink(
  field: string,
  given: unknown,
  parse: (link: string) => string,
): string | undefined {
  if (given === undefined) return undefined;
  if (typeof given === 'string') return parse(given);
  throw invalidOption(field, 'one URL', given);
}

function readUploadId(given: unknown): string | undefined {
  const id = stemifyForm.shape.upload_id.safeParse(given);
  if (id.success) return id.data;
  throw invalidOption('upload_id', 'id of an upload', given);
}

function readCallback(given: unknown, callbacks: FormSettings['callbacks']): string | undefined {
  if (given === undefined) return undefined;
  if (callbacks) return parseCallbackUrl(given, callbacks);
  throw new OxboardError(
    'WEBHOOKS_DISABLED',
    'This service has no WEBHOOK_SECRET to sign webhooks with, so it takes no callback_url; watch ' +
      '/events of the job',
  );
}

function readReference(given: unknown): string | undefined {
  const reference = clientReference.optional().safeParse(given);
  if (reference.success) return reference.data;
  throw invalidOption('client_reference', 'text of up to 200 characters', given);
}

/** The `clip_mode` that `normalize` stands for. */
function clipModeOf(
  normalize: unknown,
  { clip_mode: given }: Record<string, unknown>,
): Record<string, unknown> {
  if (normalize === undefined) return {};
  const flag = normalizeFlag.safeParse(normalize);
  if (!flag.success) throw invalidOption('normalize', 'true or false', normalize);
  const clipMode = flag.data ? 'rescale' : 'clamp';
  if (given === undefined || given === clipMode) return { clip_mode: clipMode };
  throw new OxboardError(
    'INVALID_OPTION',
    `normalize=${String(flag.data)} means clip_mode=${clipMode}, but the form has another ` +
      'clip_mode. Send only one of the two fields',
  );
}

function readOptions(fields: Record<string, unknown>): JobOptions {
  const input: Record<string, unknown> = {};
  for (const [field, given] of Object.entries(fields)) {
    const option = OPTION_OF_FIELD.get(field);
    if (option) input[option] = optionFromText(describeOption(jobOptions, option), given);
  }
  return withFieldNames(() => resolveOptions(jobOptions, input));
}

/** Runs a check of options; what it refuses is named as in the form. */
export function withFieldNames<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof InvalidOptionError)) throw error;
    throw error.named(fieldOf(error.option));
  }
}

/** The fields of a form that would make the same job again. */
export function formOf({ options }: JobRequest): Record<string, unknown> {
  return Object.fromEntries(
    [...OPTION_OF_FIELD].map(([field, option]) => [field, options[option] ?? null]),
  );
}

function checkName(name: string): void {
  if (name === 'file') {
    throw new OxboardError('INVALID_OPTION', 'The field "file" has to be a file, with a file name');
  }
  if (FIELD_NAMES.includes(name)) return;
  const near = nearestName(name, FIELD_NAMES);
  throw new OxboardError(
    'INVALID_OPTION',
    near === undefined
      ? `Unknown field ${JSON.stringify(name)}. Known fields: ${FIELD_NAMES.join(', ')}`
      : `Misspelled field ${JSON.stringify(name)} should be "${near}"`,
  );
}
