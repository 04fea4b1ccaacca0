/**
 * The installed models as a worker announces them.
 */
import { createHash } from 'node:crypto';
import type { InstalledModel } from '../../models/archive.js';
import { listModels, type LibraryOptions } from '../../models/library.js';
import type { WorkerModel } from '../ports.js';
import type { Speeds } from './speeds.js';

/** Of what model.json says, the checksums of its files included; spacing does not count. */
export const modelHash = ({ description }: InstalledModel): string =>
  createHash('sha256').update(JSON.stringify(description)).digest('hex');

export async function installedModels(
  library: LibraryOptions,
  speeds: Speeds,
): Promise<WorkerModel[]> {
  const models = await listModels(library);
  return models.map((model) => {
    const { name, embedded, sizeBytes, description } = model;
    const { sources, sampleRate, segment, notice = null, license = null } = description;
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
      segmentSeconds: segment / sampleRate,
      realtimeFactor: speeds.of(hash),
    };
  });
}
