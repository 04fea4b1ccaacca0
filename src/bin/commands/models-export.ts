/**
 * `oxboard models export`: an archive made from Demucs files by Python.
 */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { OxboardError } from '../../errors.js';
import { displayPath } from '../../lib/display-path.js';
import { invalidOption, nearestName } from '../../options.js';
import { importPython, runScript } from '../scripts.js';

/**
 * @param name a bag (NAME.yaml) or the signature of a network in `repository`.
 * @param modelsDir the archive is written to a folder in it.
 * @throws OxboardError INVALID_OPTION, before the Python environment is made; MODEL_EXPORT_FAILED
 */
export async function exportModel(
  name: string,
  repository: string,
  modelsDir: string,
): Promise<void> {
  const { runPython } = await importPython();
  await checkArguments(name, repository, modelsDir);
  const folders = ['--repo', path.resolve(repository), '--out', modelsDir];
  const status = await runScript('MODEL_EXPORT_FAILED', () =>
    runPython(['-m', 'oxboard_export', name, ...folders], { forExport: true }),
  );
  if (status !== 0) {
    throw new OxboardError('MODEL_EXPORT_FAILED', `${name} was not exported; the reason is above`);
  }
}

/** Making the Python environment takes minutes: wrong usage is refused before. */
async function checkArguments(name: string, repository: string, modelsDir: string): Promise<void> {
  const names = await exportableNames(repository);
  if (!names) throw invalidOption('repo', 'folder of .th and .yaml files', repository);
  if (!names.includes(name)) {
    const near = nearestName(name, names);
    throw new OxboardError(
      'INVALID_OPTION',
      `"${name.slice(0, 100)}" is neither a bag nor a signature in ${displayPath(repository)}` +
        (near ? `; did you mean ${near}?` : '.') +
        ` It has: ${names.join(', ') || 'nothing'}`,
    );
  }
  const info = await stat(modelsDir).catch(() => undefined);
  if (info && !info.isDirectory()) throw invalidOption('modelsDir', 'folder', modelsDir);
}

/**
 * Bags, and networks by their signatures: demucs names their files SIGNATURE.th or
 * SIGNATURE-CHECKSUM.th.
 *
 * @returns undefined when there is no such folder.
 */
async function exportableNames(repository: string): Promise<string[] | undefined> {
  const files = await readdir(repository).catch(() => undefined);
  return files
    ?.map((file) => path.parse(file))
    .filter(({ ext }) => ['.th', '.yaml'].includes(ext))
    .map(({ name, ext }) => (ext === '.th' ? name.replace(/-.*/, '') : name))
    .sort();
}
