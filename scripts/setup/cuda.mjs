import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { emptyFolder, folderSize, megabytes } from './files.mjs';
import { SetupError } from './report.mjs';
import { checkWheel, nvidiaRequirements, pipDownload, unpack } from './wheel.mjs';

/** The CUDA release of the pinned torch on PyTorch's own index; PyPI has one of its choice. */
const cudaIndex = 'https://download.pytorch.org/whl/cu130';

/** Wheels and what is in them, for a moment side by side. */
export const SPACE_NEEDED = 8e9;

/** Where pip is told to look for the CUDA wheel, one after the other. */
export const cudaAttempts = (pinned) => [
  {
    name: "PyTorch's CUDA index",
    requirement: `torch==${pinned}+cu130`,
    options: ['--index-url', cudaIndex, '--timeout', '8', '--retries', '1'],
  },
  // Two equal signs would take a CPU wheel of the same version where an index has one.
  { name: "pip's own indexes", requirement: `torch===${pinned}`, options: [] },
];

async function fetchFrom({ name, requirement, options }, partial, step) {
  const folder = emptyFolder(join(partial, 'wheels'));
  const temporary = emptyFolder(join(partial, 'pip'));
  const log = join(partial, 'pip.log');
  const download = (requirements, more, doing) => {
    step.doing(doing, () => megabytes(folderSize(temporary) + folderSize(folder)));
    return pipDownload(requirements, [...options, ...more], { folder, temporary, log });
  };
  const wheels = () => readdirSync(folder).filter((entry) => entry.endsWith('.whl'));

  const reason = await download(
    [requirement],
    ['--no-deps'],
    `downloading the CUDA torch wheel from ${name}`,
  );
  if (reason) return reason;
  const [torch] = wheels();
  const needed = await nvidiaRequirements(join(folder, torch));
  if (needed.length === 0) return `${torch} is no CUDA build`;
  const missing = await download(needed, [], 'downloading its NVIDIA packages');
  if (missing) return missing;
  for (const wheel of wheels()) {
    const file = join(folder, wheel);
    const flaw =
      (await checkWheel(file, log, step)) ??
      (await unpack(file, partial, step, wheel, { cuda: true }));
    if (flaw) return flaw;
  }
  for (const entry of [folder, temporary, log]) rmSync(entry, { recursive: true });
  return undefined;
}

/**
 * The CUDA build of the pinned torch in `home`, with the NVIDIA libraries beside it, where its
 * libraries look for them.
 *
 * @param inspect tells whether a folder is a libtorch, and which.
 */
export async function fetchCuda(step, { home, pinned, inspect }) {
  if (process.platform !== 'linux') {
    throw new SetupError(`--cuda: NVIDIA has no CUDA for ${process.platform}.`);
  }
  const partial = emptyFolder(join(home, `partial-${process.pid}`));
  const failures = [];
  try {
    for (const source of cudaAttempts(pinned)) {
      emptyFolder(partial);
      const reason = await fetchFrom(source, partial, step);
      if (!reason && inspect(join(partial, 'torch'))?.cuda) {
        const place = join(home, 'cuda');
        rmSync(place, { recursive: true, force: true });
        mkdirSync(home, { recursive: true });
        // Renamed into place only when complete: an interrupted run leaves nothing that looks usable.
        renameSync(partial, place);
        return { ...inspect(join(place, 'torch')), origin: `the CUDA wheel (${source.name})` };
      }
      failures.push(`${source.name}: ${reason ?? 'it does not hold what it should'}`);
      step.note(`not to be had from ${failures.at(-1)}`);
    }
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  throw new SetupError(
    `libtorch ${pinned} for CUDA could not be had:\n${failures.map((line) => `  - ${line}`).join('\n')}`,
    `Install it by hand (pip install torch in a venv brings the NVIDIA libraries with it) and set\n` +
      'LIBTORCH to its folder: .../site-packages/torch. Without --cuda the CPU build is set up.',
  );
}
