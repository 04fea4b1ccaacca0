/**
 * The installed models: those in the models folder and those that come with the package.
 */
import { readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OxboardError } from '../errors.js';
import { readArchive, type InstalledModel } from './archive.js';

const PACKAGE_DIR = fileURLToPath(new URL('../../models', import.meta.url));

/** Models that are part of the package: found whatever the models folder is, and never removed. */
const EMBEDDED = ['oxboard-mini'];

/**
 * Models that `oxboard models pull` can fetch; the best first, which is the default where several are
 * installed.
 */
export const PUBLISHED_NAMES: readonly string[] = [
  'htdemucs_ft',
  'htdemucs',
  'hdemucs_mmi',
  'mdx_extra',
  'mdx_extra_q',
  'htdemucs_6s',
  'spleeter-2stems',
];

export interface LibraryOptions {
  /** Folder of archives. Without it, only the models of the package itself. */
  modelsDir?: string | undefined;
}

/** The folder in which new archives are put. */
export function installFolder({ modelsDir }: LibraryOptions): string {
  return modelsDir ? resolve(modelsDir) : PACKAGE_DIR;
}

/** A folder with an archive, which may be unusable. */
export interface Archive {
  /** Name of the folder. */
  name: string;
  directory: string;
  /** Whether it is part of the package. */
  embedded: boolean;
  /** The model, or why the archive cannot be used. */
  outcome: InstalledModel | OxboardError;
}

async function archivesIn(folder: string): Promise<Archive[]> {
  const entries = await readdir(folder).catch(() => []);
  const archives = await Promise.all(entries.map((name) => openArchive(folder, name)));
  return archives.filter((archive) => archive !== undefined);
}

/** @returns undefined where there is no archive. */
async function openArchive(folder: string, name: string): Promise<Archive | undefined> {
  const directory = join(folder, name);
  const embedded = folder === PACKAGE_DIR && EMBEDDED.includes(name);
  try {
    const outcome = await readArchive(directory, embedded);
    return { name, directory, embedded, outcome };
  } catch (error) {
    if (!(error instanceof OxboardError)) throw error;
    if (error.code === 'MODEL_NOT_FOUND') return undefined;
    return { name, directory, embedded, outcome: error };
  }
}

/** All archives, including unusable ones. A model of the models folder hides an embedded one of its name. */
export async function listArchives(options: LibraryOptions): Promise<Archive[]> {
  const folder = installFolder(options);
  const own = await archivesIn(folder);
  const names = new Set(own.map(nameOf));
  const embedded =
    folder === PACKAGE_DIR
      ? []
      : (await archivesIn(PACKAGE_DIR)).filter(
          (archive) => archive.embedded && !names.has(nameOf(archive)),
        );
  return [...own, ...embedded].sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
}

/** Tells whether an archive can be used. */
export const isModel = (outcome: InstalledModel | OxboardError): outcome is InstalledModel =>
  !(outcome instanceof OxboardError);

const nameOf = ({ name, outcome }: Archive): string => (isModel(outcome) ? outcome.name : name);

/**
 * All installed models that can be used, sorted by name. {@link findModel} says why one cannot.
 */
export async function listModels(options: LibraryOptions): Promise<InstalledModel[]> {
  return modelsOf(await listArchives(options));
}

const modelsOf = (archives: readonly Archive[]): InstalledModel[] =>
  archives.map(({ outcome }) => outcome).filter(isModel);

/**
 * The installed model of that name.
 *
 * @throws OxboardError MODEL_NOT_FOUND naming what is installed, MODEL_INVALID.
 */
export async function findModel(name: string, options: LibraryOptions): Promise<InstalledModel> {
  const { outcome } = await findArchive(name, options);
  if (!isModel(outcome)) throw outcome;
  return outcome;
}

async function findArchive(name: string, options: LibraryOptions): Promise<Archive> {
  const archives = await listArchives(options);
  const found = archives.find((archive) => nameOf(archive) === name);
  if (found) return found;
  const names = modelsOf(archives).map((model) => model.name);
  throw new OxboardError(
    'MODEL_NOT_FOUND',
    `Model "${name}" is not installed in ${installFolder(options)}. Installed: ` +
      (names.join(', ') || 'none') +
      (PUBLISHED_NAMES.includes(name)
        ? `. "oxboard models pull ${name}" installs it`
        : '. "oxboard models list" names those that can be installed'),
  );
}

/**
 * The default model: the configured one, else the best installed, an embedded one last.
 *
 * @throws OxboardError MODEL_NOT_FOUND, MODEL_INVALID
 */
export async function defaultModel(
  options: LibraryOptions & { configured?: string | undefined },
): Promise<InstalledModel> {
  if (options.configured) return findModel(options.configured, options);
  const rank = ({ name, embedded }: InstalledModel) => {
    if (embedded) return PUBLISHED_NAMES.length + 1;
    const position = PUBLISHED_NAMES.indexOf(name);
    return position < 0 ? PUBLISHED_NAMES.length : position;
  };
  const [best] = (await listModels(options)).sort((a, b) => rank(a) - rank(b));
  if (best) return best;
  throw new OxboardError('MODEL_NOT_FOUND', `No model is installed in ${installFolder(options)}`);
}

/**
 * Removes an archive, even an unusable one.
 *
 * @returns the folder that was removed.
 * @throws OxboardError MODEL_NOT_FOUND; INVALID_OPTION for a model that came with the package.
 */
export async function removeModel(name: string, options: LibraryOptions): Promise<string> {
  const { directory, embedded } = await findArchive(name, options);
  if (embedded) {
    throw new OxboardError('INVALID_OPTION', `Model "${name}" is part of the package`);
  }
  await rm(directory, { recursive: true, force: true });
  return directory;
}
