/**
 * The installed models as a worker announces them.
 */
import { OxboardError } from '../errors.js';
import { modelHash, type InstalledModel } from '../models/archive.js';
import { UNKNOWN_LICENSE } from '../models/license.js';
import { defaultModel, listModels, type LibraryOptions } from '../models/library.js';
import type { WorkerModel } from '../jobs/ports.js';
import type { Speeds } from './speeds.js';

/**
 * The model for jobs that name none. A configured one that is still being pulled is stood in for by the
 * best of those that are there.
 *
 * @throws OxboardError MODEL_NOT_FOUND, MODEL_INVALID
 */
export async function currentDefault({
  modelsDir,
  defaultModel: configured,
  autoPull,
}: {
  modelsDir: string | undefined;
  defaultModel: string | undefined;
  autoPull: boolean;
}): Promise<InstalledModel> {
  try {
    return await defaultModel({ modelsDir, configured });
  } catch (error) {
    const absent = error instanceof OxboardError && error.code === 'MODEL_NOT_FOUND';
    if (!autoPull || !absent) throw error;
    return defaultModel({ modelsDir });
  }
}

export async function installedModels(
  library: LibraryOptions,
  speeds: Speeds,
): Promise<WorkerModel[]> {
  const models = await listModels(library);
  const announce = async (model: InstalledModel): Promise<WorkerModel> => {
    const { name, embedded, sizeBytes, description } = model;
    const { sources, sampleRate, segment, minLength, overlapAdd } = description;
    const { notice = null, license = UNKNOWN_LICENSE } = description;
    const hash = modelHash(model);
    return {
      name,
      sources,
      sampleRate,
      hash,
      embedded,
      notice,
      license,
      sizeBytes,
      segment,
      minLength,
      overlapAdd,
      realtimeFactor: await speeds.of(hash),
    };
  };
  return Promise.all(models.map(announce));
}
