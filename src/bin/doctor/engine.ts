/**
 * Checks of the engine: libtorch, the addon, devices, models, and a separation.
 */
import { existsSync } from 'node:fs';
import type { Config } from '../../config.js';
import { verifyModel, type InstalledModel } from '../../models/archive.js';
import { defaultModel, installFolder, isModel, listArchives } from '../../models/library.js';
import { importLibtorch } from '../scripts.js';
import { failed, note, ok, problem, type Check } from './check.js';
import { SETUP } from './machine.js';
import { tryNative, type TrialReport } from './trial.js';

const MORE_MEMORY = 'raise the limit (ulimit -v, the container), or end other programs';

export async function checkLibtorch(native: TrialReport['native']): Promise<Check> {
  const { locate, pinned } = await importLibtorch();
  let folder: string | undefined;
  let version = native?.libtorchVersion;
  try {
    const found = locate();
    folder = found?.folder;
    version ??= found?.version;
  } catch (error) {
    // LIBTORCH names no libtorch. The addon may have been built with another one all the same.
    const check = failed('libtorch', error, `correct LIBTORCH or unset it, then ${SETUP}`);
    return native ? { ...check, status: 'note' } : check;
  }
  if (version === undefined) return problem('libtorch', 'not found', SETUP);
  const cuda = native?.gpu.cuda ?? '';
  const kind = native ? (cuda === '' ? ', CPU' : `, CUDA ${cuda}`) : '';
  const text = `${version}${kind}${folder === undefined ? '' : ` in ${folder}`}`;
  return version.split('+')[0] === pinned
    ? ok('libtorch', text)
    : note('libtorch', `${text}; this package is tested with ${pinned}`, SETUP);
}

/** @param configured the device of the environment. */
export function checkAddon(
  { native, error }: TrialReport,
  configured: string | undefined,
): Check[] {
  if (native) {
    return [ok('addon', 'loads'), ok('devices', describeDevices(native, configured))];
  }
  const mend = error?.code === 'OUT_OF_MEMORY' ? MORE_MEMORY : SETUP;
  return [problem('addon', error?.message ?? 'it said nothing', mend)];
}

/** Which devices there are, which the environment chooses, and why no GPU is used. */
function describeDevices(
  { devices, gpu, defaultThreads }: NonNullable<TrialReport['native']>,
  configured: string | undefined,
): string {
  const names = devices.map((device) => {
    const [, index] = device.split(':');
    const found = index === undefined ? undefined : gpu.gpus[Number(index)];
    return found ? `${device} (${found.name}, ${(found.memoryBytes / 1e9).toFixed(1)} GB)` : device;
  });
  const why =
    configured === 'cpu' && devices.length > 1
      ? 'the environment says cpu (DEMUCS_GPU_ENABLED, DEMUCS_DEVICE)'
      : gpu.reason;
  const driver = gpu.driverCuda === '' ? '' : `; driver for CUDA ${gpu.driverCuda}`;
  const threads = `${String(defaultThreads)} CPU threads`;
  return `${names.join(', ')}; ${threads}${driver}${why === '' ? '' : `; no GPU is used: ${why}`}`;
}

export async function checkModels(modelsDir: string | undefined): Promise<Check[]> {
  const checks: Check[] = [];
  const folder = installFolder({ modelsDir });
  if (!existsSync(folder)) {
    checks.push(note('models', `there is no folder ${folder}`, `mkdir -p ${folder}`));
  }
  const elsewhere = modelsDir === undefined ? '' : ` --models-dir ${modelsDir}`;
  for (const { name, embedded, outcome } of await listArchives({ modelsDir })) {
    try {
      if (!isModel(outcome)) throw outcome;
      await verifyModel(outcome);
      checks.push(ok(`model ${outcome.name}`, outcome.description.sources.join(', ')));
    } catch (error) {
      const mend = embedded
        ? 'install the package anew: npm install oxboard-demucs'
        : `npx oxboard models remove ${isModel(outcome) ? outcome.name : name}${elsewhere}, then export or copy it anew`;
      checks.push(failed(`model ${name}`, error, mend));
    }
  }
  return checks;
}

/** Runs the networks of the default model, which shows that memory and device suffice. */
export async function checkSeparation(
  config: Config,
  onModel: (model: InstalledModel) => void,
): Promise<Check> {
  let model: InstalledModel;
  const { modelsDir, device, threads } = config;
  try {
    model = await defaultModel({ modelsDir, configured: config.defaultModel });
  } catch (error) {
    return failed('separation', error, 'npx oxboard models list, and see DEMUCS_DEFAULT_MODEL');
  }
  onModel(model);
  const options = Object.fromEntries(
    Object.entries({ modelsDir, device, threads }).filter(([, value]) => value !== undefined),
  );
  const { separation, error } = await tryNative({ model: model.name, ...options });
  if (!separation) {
    const message = error?.message ?? 'it said nothing';
    return problem('separation', `${model.name}: ${message}`, MENDS[error?.code ?? ''] ?? SETUP);
  }
  const { seconds, peakBytes } = separation;
  const cost = `${seconds.toFixed(1)} s and ${(peakBytes / 1e9).toFixed(2)} GB of memory`;
  return ok('separation', `${model.name} loads and runs on ${separation.device} (${cost})`);
}

const MENDS: Record<string, string> = {
  OUT_OF_MEMORY: MORE_MEMORY,
  DEVICE_UNAVAILABLE: 'unset DEMUCS_DEVICE, or name a device that is there',
  MODEL_INVALID: 'export or copy the model anew',
  MODEL_CHECKSUM: 'export or copy the model anew',
  INFERENCE_FAILED: 'export or copy the model anew',
  OUTPUT_NOT_FINITE: 'export or copy the model anew',
};
