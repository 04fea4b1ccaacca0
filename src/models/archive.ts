/**
 * Model archives on disk: a folder with `model.json` and one TorchScript file per bag member.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { OxboardError } from '../errors.js';
import { sha256Hex, sha256OfFile } from '../lib/hash.js';
import { licenseSchema } from './license.js';

/** Names of models, files and sources: they become parts of paths. */
const safeName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/);
const MAX_FRAMES = 44_100 * 3600;
const frames = z.int().min(1).max(MAX_FRAMES);

const memberSchema = z.strictObject({
  file: safeName,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  weights: z.array(z.number().min(0)),
});

const descriptionSchema = z
  .strictObject({
    name: safeName,
    sources: z.array(safeName).min(1).max(64),
    sampleRate: z.int().min(1000).max(384_000),
    channels: z.int().min(1).max(8),
    segment: frames,
    minLength: frames,
    members: z.array(memberSchema).min(1).max(64),
    family: safeName.optional(),
    normalize: z.enum(['demucs', 'none']).default('demucs'),
    overlapAdd: z
      .strictObject({ overlap: z.int().min(0), lead: z.int().min(0).max(MAX_FRAMES) })
      .optional(),
    torch: z.string().optional(),
    origin: z.string().optional(),
    license: licenseSchema.optional(),
    notice: z.string().optional(),
  })
  .refine((model) => model.minLength <= model.segment, 'minLength exceeds segment')
  .refine(
    ({ overlapAdd, segment, minLength }) =>
      !overlapAdd || (overlapAdd.overlap < segment && minLength === segment),
    'overlapAdd needs segments of one length, longer than their overlap',
  )
  .refine(
    (model) => new Set(model.sources).size === model.sources.length,
    'a source is named twice',
  )
  .refine(
    (model) => model.members.every(({ weights }) => weights.length === model.sources.length),
    'a member has not one weight for each source',
  )
  .refine(
    (model) => model.sources.every((_, k) => model.members.some((m) => (m.weights[k] ?? 0) > 0)),
    'a source has no member with a weight for it',
  );

/**
 * The content of `model.json`. Lengths are in sample frames.
 *
 * - `segment` and `minLength` are equal when the networks take one length only.
 * - `family`: the kind of network, for people.
 * - `normalize`: `demucs` takes mean and deviation of the whole song out of the input, `none` does not.
 * - `overlapAdd`: the outputs of neighboring segments are added as they are, for networks that end in an
 *   inverse STFT. `overlap` is what two neighbors share, `lead` the silence that the first segment has
 *   before the song. Without it, outputs fade into each other.
 * - `notice` warns users of the stems, for example of an untrained model.
 */
export type ModelDescription = Readonly<z.output<typeof descriptionSchema>>;

/** An archive with a valid description. */
export interface InstalledModel {
  name: string;
  directory: string;
  description: ModelDescription;
  /** Bytes of its network files. */
  sizeBytes: number;
  /** Whether it is part of the package. */
  embedded: boolean;
}

/** Of what model.json says, the checksums of its files included; spacing does not count. */
export const modelHash = ({ description }: Pick<InstalledModel, 'description'>): string =>
  sha256Hex(JSON.stringify(description));

/**
 * Reads the description of the archive in `directory`.
 *
 * @throws OxboardError MODEL_NOT_FOUND without a model.json, MODEL_INVALID when it is malformed or
 * a file that it names is missing.
 */
export async function readArchive(directory: string, embedded: boolean): Promise<InstalledModel> {
  const file = join(directory, 'model.json');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException;
    if (['ENOENT', 'ENOTDIR'].includes(code)) {
      throw new OxboardError('MODEL_NOT_FOUND', `There is no model archive in ${directory}`, {
        cause,
      });
    }
    throw new OxboardError('MODEL_INVALID', `${file} cannot be read (${code})`, { cause });
  }
  const description = parseDescription(text, file);
  let sizeBytes = 0;
  for (const member of description.members) {
    const path = join(directory, member.file);
    const info = await stat(path).catch(() => undefined);
    if (!info?.isFile())
      throw new OxboardError('MODEL_INVALID', `${file} names ${member.file}, which is missing`);
    sizeBytes += info.size;
  }
  return { name: description.name, directory, description, sizeBytes, embedded };
}

/**
 * Parses the text of a model.json.
 *
 * @param file its path, for messages.
 * @throws OxboardError MODEL_INVALID.
 */
export function parseDescription(text: string, file: string): ModelDescription {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new OxboardError('MODEL_INVALID', `${file} is not JSON`, { cause });
  }
  const result = descriptionSchema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const place = issue?.path.length ? `${issue.path.join('.')}: ` : '';
  throw new OxboardError('MODEL_INVALID', `${file} is malformed: ${place}${reasonOf(issue)}`);
}

/** Whoever wrote a key meant something by it: without it, stems would be wrong and nobody would know why. */
function reasonOf(issue: z.core.$ZodIssue | undefined): string {
  if (issue?.code !== 'unrecognized_keys') return issue?.message ?? '';
  const [key = ''] = issue.keys;
  return `this version does not know ${JSON.stringify(key.slice(0, 100))}`;
}

/**
 * Compares the network files with their checksums. They contain code for libtorch's interpreter, so
 * none is loaded unchecked.
 *
 * @throws OxboardError MODEL_CHECKSUM naming the file.
 */
export async function verifyModel(model: InstalledModel, signal?: AbortSignal): Promise<void> {
  for (const member of model.description.members) {
    const path = join(model.directory, member.file);
    const actual = await sha256OfFile(path, { signal });
    if (actual !== member.sha256) {
      throw new OxboardError(
        'MODEL_CHECKSUM',
        `${path} differs from its checksum (expected ${member.sha256.slice(0, 8)}, found ` +
          `${actual.slice(0, 8)}). Install the model anew`,
      );
    }
  }
}
