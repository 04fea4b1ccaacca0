/**
 * Every option of the product: its type, range, default and description, here and nowhere else. The
 * command line, the embedding API and the service all resolve their options with
 * {@link resolveOptions}, so that what comes after them receives plain complete values. What depends
 * on the model is in model-options.ts.
 */
import { inspect } from 'node:util';
import { distance } from 'fastest-levenshtein';
import { z } from 'zod';
import { OxboardError } from './errors.js';

/** The words that an error message uses for the values that a field accepts. */
const EXPECTED = z.registry<{ words: string }>();

const expected = <T extends z.ZodType>(schema: T, words: string): T => {
  EXPECTED.add(schema, { words });
  return schema;
};

const integer = (minimum: number, maximum: number) =>
  expected(
    z.int().min(minimum).max(maximum),
    `integer from ${String(minimum)} to ${String(maximum)}`,
  );
const oneOf = <const T extends readonly string[]>(values: T) =>
  expected(z.enum(values), `one of ${values.join(', ')}`);
const text = expected(z.string().min(1), 'non-empty string');
// Node.js gives U+FFFD for the bytes of a name that are not UTF-8: another place would be meant.
const folder = expected(z.string().regex(/^[^\0\uFFFD]+$/), 'name of a folder in UTF-8');
const abortSignal = expected(
  z.custom<AbortSignal>((value) => value instanceof AbortSignal),
  'AbortSignal',
);

/** A time in a song, as people write it: 90, 90.5, "1:30" or "1:01:30". */
const songTime = expected(
  z.union([
    z.number().min(0),
    z
      .string()
      .regex(/^(\d+:)?\d+:\d{1,2}(\.\d+)?$/)
      .transform((given) => given.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)),
  ]),
  'time in seconds or as mm:ss',
);

/** One more stem from the sum of others. */
const MIX_PATTERN = /^([a-z0-9_-]{1,32})=([^+=,]+(?:\+[^+=,]+)*)$/;

/** The name and the stems of a mix; of a text that fits the pattern. */
export function parseMix(mix: string): { name: string; stems: string[] } {
  const [, name = '', stems = ''] = MIX_PATTERN.exec(mix) ?? [];
  return { name, stems: stems.split('+') };
}

/** How far a separation has come. It is reported after each segment of each bag member and shift. */
export interface Progress {
  /** Work done, from 0 to 1. */
  fraction: number;
  /**
   * Segments that ran through a network, over all bag members and shifts, and those of the song up
   * to its end; with the option `end` the work is done before.
   */
  segmentsDone: number;
  segmentsTotal: number;
  /** Sample frames of the song: up to where stems are final, and the end of what is separated. */
  framesDone: number;
  framesTotal: number;
  /** What ran last; null when nothing had to. */
  batch: ProgressBatch | null;
}

/** Segments that ran through one network in one call. */
export interface ProgressBatch {
  /** Index of the bag member in the model's description. */
  member: number;
  segments: number;
  /** That it took, the wait for the device included. */
  seconds: number;
}

/** A GPU had too little memory. The separation goes on, slower; its result is whole. */
export interface MemoryShortage {
  /** `cuda:N` */
  device: string;
  model: string;
  /** Segments that are tried at a time from now on. */
  batchSize: number;
  /** Segments that the CPU had to run, because the GPU had no memory for even one. */
  onCpu: number;
  /** The same in words. */
  message: string;
}

/** What is done to make a network faster on the CPU; the stems stay the same within rounding. */
export const OPTIMIZATIONS = [
  'dconv',
  'transposedConvolution',
  'tokenNorm',
  'linear',
  'attention',
  'denormals',
] as const;

export type Optimization = (typeof OPTIMIZATIONS)[number];

const optimizations = z
  .union([z.boolean(), z.array(z.enum(OPTIMIZATIONS))])
  .default(true)
  .transform((wanted): Optimization[] => {
    if (typeof wanted === 'boolean') return wanted ? [...OPTIMIZATIONS] : [];
    return wanted;
  });

export const DEVICE_PATTERN = /^(auto|cpu|cuda(:\d{1,3})?)$/;

export const loadOptions = z.strictObject({
  modelsDir: folder.optional().describe('Folder of model archives'),
  device: expected(z.string().regex(DEVICE_PATTERN), 'auto, cpu, cuda or cuda:N')
    .default('auto')
    .describe('Device to compute on: auto, cpu, cuda or cuda:N'),
  threads: integer(1, 1024).optional().describe('Number of CPU threads, all cores if not given'),
  optimize: expected(optimizations, `boolean or list of ${OPTIMIZATIONS.join(', ')}`).describe(
    'Make the network faster on the CPU',
  ),
  tf32: expected(z.boolean(), 'boolean')
    .default(false)
    .describe('Let the GPU compute with reduced precision'),
  warmUp: expected(z.boolean(), 'boolean')
    .default(true)
    .describe('Run every network once while the model is loaded'),
  signal: abortSignal.optional().describe('Aborts the loading'),
  onMemoryShort: expected(
    z.custom<(shortage: MemoryShortage) => void>((value) => typeof value === 'function'),
    'function',
  )
    .optional()
    .describe('Called when a GPU has too little memory'),
});

/** Share of a segment that the next one covers again. */
export const DEFAULT_OVERLAP = 0.25;

export const separateOptions = z.strictObject({
  stems: expected(z.array(z.string().min(1)).min(1), 'non-empty array of stem names')
    .optional()
    .describe('Stems to write, separated by commas; all of the model if not given'),
  shifts: integer(0, 100)
    .default(0)
    .describe('Average over this many random shifts, each of which separates the whole song'),
  overlap: expected(z.number().min(0).lt(1), 'number from 0 up to (not including) 1')
    .default(DEFAULT_OVERLAP)
    .describe('Share of a segment that the next one covers again'),
  segment: expected(z.number().positive(), 'number of seconds above 0')
    .optional()
    .describe("Length of a segment, at most the model's; shorter ones are more work"),
  transitionPower: expected(z.number().min(1).max(10), 'number from 1 to 10')
    .default(1)
    .describe('Power of the triangular window that blends segments'),
  seed: integer(0, 2 ** 32 - 1)
    .optional()
    .describe('Seed of the random shifts, a new one each time if not given'),
  mix: expected(
    z.array(z.string().regex(MIX_PATTERN)).min(1),
    'NAME=a+b with a name of 1 to 32 characters of a-z, 0-9, _ and -',
  )
    .optional()
    .describe('One more stem: the sum of these, as in karaoke=drums+bass+other'),
  mixtureConsistent: expected(z.boolean(), 'boolean')
    .default(false)
    .describe(
      'Spread what the stems leave of the song evenly over all stems, so that they add up to it; ' +
        'files with rescale all get the same gain',
    ),
  start: songTime.optional().describe('Separate only the part of the song from this time on'),
  end: songTime.optional().describe('Separate only the part of the song up to this time'),
  resample: expected(z.boolean(), 'boolean')
    .default(false)
    .describe(
      'Convert arrays of another sample rate or number of channels; stems have those of the model',
    ),
  batchSize: integer(1, 64).optional().describe('Segments that run through a network together'),
  signal: abortSignal.optional().describe('Aborts the separation'),
  onProgress: expected(
    z.custom<(progress: Progress) => void>((value) => typeof value === 'function'),
    'function',
  )
    .optional()
    .describe('Called after each batch of segments'),
});

export const streamOptions = separateOptions.extend({
  resumeFrom: integer(0, Number.MAX_SAFE_INTEGER)
    .default(0)
    .describe('First sample frame of the song that is wanted'),
});

export const FORMATS = ['wav', 'flac', 'mp3', 'opus', 'm4a'] as const;
export const CLIP_MODES = ['rescale', 'clamp', 'tanh', 'none'] as const;
export const OTHER_METHODS = ['add', 'minus', 'none'] as const;

/** Bit depths that may be given as a number. */
const BITS = { 16: '16', 24: '24' } as const;

export const outputOptions = z.strictObject({
  out: folder.default('./separated').describe('Output folder'),
  filename: text
    .default('{track}/{stem}.{ext}')
    .describe('Name of a stem below OUT/MODEL/, made of {track}, {stem}, {ext} and {model}'),
  twoStems: text.optional().describe('Write this stem and everything else'),
  otherMethod: oneOf(OTHER_METHODS)
    .default('add')
    .describe(
      'What everything else is with two stems: add, the sum of the other stems; minus, the song ' +
        'minus the stem; none, not written',
    ),
  format: oneOf(FORMATS).default('wav').describe('Format of the stems'),
  bitDepth: expected(
    z.union([z.enum(['16', '24', '32f']), z.literal([16, 24]).transform((bits) => BITS[bits])]),
    'one of 16, 24, 32f',
  )
    .default('16')
    .describe('Bits per sample of wav and flac; 32f is floating point, in wav only'),
  bitrate: integer(8, 512)
    .optional()
    .describe('Bitrate in kbit/s, if not given 320 for mp3, 160 for opus and 256 for m4a'),
  sampleRate: expected(
    z.union([z.enum(['model', 'keep']), z.int().min(8000).max(192_000)]),
    'model, keep or an integer from 8000 to 192000',
  )
    .default('model')
    .describe(
      "Sample rate of the stems in Hz: model is the model's, keep is the song's; opus always has 48000",
    ),
  clipMode: oneOf(CLIP_MODES).default('rescale').describe('What is done to stems above full scale'),
  track: integer(1, 1000)
    .optional()
    .describe(
      'Which audio track of the file, from 1; if not given the default one, else the first that ' +
        'can be decoded',
    ),
  allowDamaged: expected(z.boolean(), 'boolean')
    .default(false)
    .describe('Separate what is left of a file that has lost more than a tenth of its sound'),
});

const { out: _out, filename: _filename, ...jobOutput } = outputOptions.shape;
const separation = separateOptions.omit({
  transitionPower: true,
  resample: true,
  batchSize: true,
  signal: true,
  onProgress: true,
});

/** What a client asks of a job besides the song and the model. Where files go is the service's own matter. */
export const jobOptions = z.strictObject({
  ...jobOutput,
  ...separation.shape,
});

/** Options of one file that is separated into files. */
export const fileOptions = jobOptions.extend({
  out: outputOptions.shape.out,
  filename: outputOptions.shape.filename,
  signal: separateOptions.shape.signal,
  onProgress: expected(
    z.custom<(progress: never) => void>((value) => typeof value === 'function'),
    'function',
  )
    .optional()
    .describe('Called with the stage and how far it is'),
});

/** Options of loading a model for one file, and of that file. */
export const separateFileOptions = loadOptions.omit({ warmUp: true }).extend({
  ...fileOptions.shape,
  model: text.optional().describe('Model, the best installed if not given'),
});

export const decodeFileOptions = z.strictObject({
  sampleRate: integer(1000, 384_000)
    .optional()
    .describe("Sample rate in Hz, the file's if not given"),
  channels: integer(1, 2)
    .optional()
    .describe("Number of channels, the file's up to 2 if not given"),
  track: outputOptions.shape.track,
  allowDamaged: outputOptions.shape.allowDamaged,
  signal: abortSignal.optional().describe('Aborts the decoding'),
});

export const encodeFileOptions = outputOptions
  .pick({ bitDepth: true, bitrate: true, clipMode: true })
  .extend({
    format: oneOf(FORMATS).optional().describe('Format, from the name of the file if not given'),
    signal: abortSignal.optional().describe('Aborts the encoding'),
  });

/** Options of `Separator.load`. */
export type LoadOptions = z.input<typeof loadOptions>;
/** Options of `separator.separate`. */
export type SeparateOptions = z.input<typeof separateOptions>;
/**
 * Options of `separator.stream`. `resumeFrom` is the first sample frame that is wanted: an earlier
 * stream with equal options, seed included, gave those before it, and what follows has the same
 * bytes as there.
 */
export type StreamOptions = z.input<typeof streamOptions>;
/** Options of how stems are written to files. */
export type OutputOptions = z.input<typeof outputOptions>;
export type ResolvedSeparateOptions = z.output<typeof separateOptions>;
export type ResolvedStreamOptions = z.output<typeof streamOptions>;
export type ResolvedOutputOptions = z.output<typeof outputOptions>;
export type JobOptions = z.output<typeof jobOptions>;

/** Words for a value in an error message: short, and never a dump of a big object. */
function describeValue(value: unknown, choices: readonly string[]): string {
  if (value === null) return 'null';
  if (typeof value === 'string') {
    const start = value.slice(0, 100);
    const shown = `"${start}"`;
    if (choices.length === 0) return `${shown} of type string`;
    const near = nearestName(start, choices);
    return near === undefined ? shown : `${shown} (did you mean "${near}"?)`;
  }
  if (Array.isArray(value)) return `array of ${String(value.length)} elements`;
  if (typeof value === 'object' || typeof value === 'function') return typeof value;
  return `${inspect(value)} of type ${typeof value}`;
}

/**
 * The one error for a value that does not fit: "Expected X for NAME but received Y of type Z". It
 * keeps its parts, so that a command line or an HTTP form can say it with its own name of the option.
 */
export class InvalidOptionError extends OxboardError {
  readonly option: string;
  readonly #words: string;
  readonly #received: string;

  /**
   * @param words what was expected.
   * @param received what was given, as in "received Y".
   */
  constructor(option: string, words: string, received: string) {
    super('INVALID_OPTION', `Expected ${words} for ${option} but received ${received}`);
    this.option = option;
    this.#words = words;
    this.#received = received;
  }

  /** The same error with another name for the option. */
  named(name: string): InvalidOptionError {
    return new InvalidOptionError(name, this.#words, this.#received);
  }
}

/** @param choices texts that are accepted, for a hint at the nearest. */
export function invalidOption(
  name: string,
  words: string,
  received: unknown,
  choices: readonly string[] = [],
): InvalidOptionError {
  return new InvalidOptionError(name, words, describeValue(received, choices));
}

/** The known name nearest to a misspelled one, or undefined when none is near. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const normal = name.toLowerCase().replaceAll(/[-_]/g, '');
  const [best] = known
    .map((candidate) => ({ candidate, distance: distance(normal, candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  return best && best.distance <= Math.max(1, Math.floor(normal.length / 3))
    ? best.candidate
    : undefined;
}

/**
 * Checks `input` against a schema of this file and fills in defaults.
 *
 * @throws OxboardError INVALID_OPTION for the first field that does not fit, and for a field that
 * does not exist ("Misspelled option ... should be ...").
 */
export function resolveOptions<T extends z.ZodObject>(schema: T, input: unknown): z.output<T> {
  const result = schema.safeParse(input ?? {});
  if (result.success) return result.data;

  const [issue] = result.error.issues;
  const known = Object.keys(schema.shape);
  if (issue?.code === 'unrecognized_keys') {
    const [name = ''] = issue.keys;
    const near = nearestName(name, known);
    throw new OxboardError(
      'INVALID_OPTION',
      near
        ? `Misspelled option "${name}" should be "${near}"`
        : `Unknown option "${name}". Known options: ${known.join(', ')}`,
    );
  }
  const name = issue?.path[0];
  if (typeof name !== 'string') throw invalidOption('options', 'object', input);
  const { words, choices } = describeOption(schema, name);
  throw invalidOption(name, words, (input as Record<string, unknown>)[name], choices);
}

/** What help texts, error messages and readers of texts need to know of an option. */
export interface OptionDescription {
  description: string;
  /** What is accepted, as in "Expected X". */
  words: string;
  /** Undefined when there is none. */
  defaultValue: string | number | boolean | undefined;
  /** Texts that are accepted; empty when others are, too. */
  choices: readonly string[];
  isNumber: boolean;
  isBoolean: boolean;
  isList: boolean;
}

/** @param name of a field of `schema`. */
export function describeOption(schema: z.ZodObject, name: string): OptionDescription {
  let field = schema.shape[name] as z.ZodType;
  const { description = '' } = field;
  let words = EXPECTED.get(field)?.words;
  let defaultValue: OptionDescription['defaultValue'];
  // optional() and default() wrap the field itself.
  for (;;) {
    const { innerType, defaultValue: given } = field.def as Partial<z.core.$ZodDefaultDef>;
    if (!innerType) break;
    field = innerType as z.ZodType;
    words ??= EXPECTED.get(field)?.words;
    defaultValue ??= given as typeof defaultValue;
  }
  const variants = field instanceof z.ZodUnion ? field.options : [field];
  return {
    description,
    words: words ?? 'another value',
    defaultValue,
    choices: variants.flatMap((variant) =>
      variant instanceof z.ZodEnum ? (variant.options as string[]) : [],
    ),
    isNumber: variants.some((variant) => variant instanceof z.ZodNumber),
    isBoolean: field instanceof z.ZodBoolean,
    isList: field instanceof z.ZodArray,
  };
}

/** The name of an option with other separators: `two-stems` and `two_stems` for `twoStems`. */
export const separatedName = (name: string, separator: '-' | '_'): string =>
  name.replaceAll(/[A-Z]/g, (letter) => separator + letter.toLowerCase());

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

const BOOLEANS = new Map<unknown, boolean>([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);

/**
 * The value of an option that was given as text: a number, a boolean, or a list from commas. Other
 * text stays text, so that the option's own check refuses it by name.
 *
 * @param given a text, or several for a field of a form that was repeated.
 */
export function optionFromText(
  { isList, isNumber, isBoolean }: OptionDescription,
  given: unknown,
): unknown {
  if (isBoolean) return BOOLEANS.get(given) ?? given;
  if (isList) {
    const items = [given].flat();
    return items.flatMap((item) =>
      typeof item === 'string' ? item.split(',').map((part) => part.trim()) : [item],
    );
  }
  return isNumber && typeof given === 'string' && NUMBER.test(given.trim()) ? Number(given) : given;
}
