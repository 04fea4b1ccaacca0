/**
 * The models that are installed: those in the models folder and those that came with the package.
 */
import { readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OxboardError } from '../errors.js';
import { readArchive, type InstalledModel } from './archive.js';

const PACKAGE_DIR = fileURLToPath(new URL('../../models', import.meta.url));

/** Models that are part of the package: found whatever the models folder is, and never removed. */
const EMBEDDED = ['oxboard-untrained'];

/** Models in the order in which they are preferred when nobody names one. */
const PREFERRED = ['htdemucs_ft', 'htdemucs', 'hdemucs_mmi', 'mdx_extra', 'mdx_extra_q', 'htdemucs_6s'];

export interface LibraryOptions {
  /** Folder of archives. Without it, only the models of the package itself. */
  modelsDir?: string | undefined;
}

/** The folder in which new archives are put. */
export function installFolder({ modelsDir }: LibraryOptions): string {
  return modelsDir ? resolve(modelsDir) : PACKAGE_DIR;
}

async function archivesIn(folder: string): Promise<InstalledModel[]> {
  const entries = await readdir(folder).catch(() => []);
  const found = await Promise.all(
    // A broken archive must not hide the good ones from a list; opening it by name says why.
    entries.map((name) => openArchive(folder, name).catch(() => undefined)),
  );
  return found.filter((model) => model !== undefined);
}

function openArchive(folder: string, name: string): Promise<InstalledModel> {
  return readArchive(join(folder, name), folder === PACKAGE_DIR && EMBEDDED.includes(name));
}

/** Every installed model, by name. A model of the models folder hides an embedded one. */
export async function listModels(options: LibraryOptions): Promise<InstalledModel[]> {
  const own = await archivesIn(installFolder(options));
  const names = new Set(own.map((model) => model.name));
  const embedded = (await archivesIn(PACKAGE_DIR)).filter(
    (model) => model.embedded && !names.has(model.name),
  );
  return [...own, ...embedded].sort((a, b) => a.name.localeCompare(b.name));
}

/**
 * The installed model of that name.
 *
 * @throws OxboardError MODEL_NOT_FOUND naming what is installed, MODEL_INVALID.
 */
export async function findModel(name: string, options: LibraryOptions): Promise<InstalledModel> {
  const installed = await listModels(options);
  const model = installed.find((candidate) => candidate.name === name);
  if (model) return model;

  // A folder of that name exists but could not be listed: say what is wrong with it.
  if (/^[\w.-]+$/.test(name) && !/^\.+$/.test(name)) {
    const broken = await openArchive(installFolder(options), name).catch((error: unknown) => error);
    if (broken instanceof OxboardError && broken.code === 'MODEL_INVALID') throw broken;
  }
  const names = installed.map((candidate) => candidate.name).join(', ') || 'none';
  throw new OxboardError(
    'MODEL_NOT_FOUND',
    `Model "${name}" is not installed in ${installFolder(options)}. Installed: ${names}`,
  );
}

/**
 * The model to use when nobody names one: the best installed, an embedded one last.
 *
 * @param configured the configured default, which wins.
 */
export async function defaultModel(
  options: LibraryOptions & { configured?: string | undefined },
): Promise<InstalledModel> {
  if (options.configured) return findModel(options.configured, options);
  const rank = ({ name, embedded }: InstalledModel) => {
    if (embedded) return PREFERRED.length + 1;
    const position = PREFERRED.indexOf(name);
    return position < 0 ? PREFERRED.length : position;
  };
  const [best] = (await listModels(options)).sort((a, b) => rank(a) - rank(b));
  if (best) return best;
  throw new OxboardError('MODEL_NOT_FOUND', `No model is installed in ${installFolder(options)}`);
}

/**
 * Removes an installed model.
 *
 * @throws OxboardError MODEL_NOT_FOUND; INVALID_OPTION for a model that came with the package.
 */
export async function removeModel(name: string, options: LibraryOptions): Promise<InstalledModel> {
  const model = await findModel(name, options);
  if (model.embedded) {
    throw new OxboardError('INVALID_OPTION', `Model "${name}" is part of the package`);
  }
  await rm(model.directory, { recursive: true, force: true });
  return model;
}
