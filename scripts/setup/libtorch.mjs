import {
  createWriteStream,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fetchCuda, SPACE_NEEDED as CUDA_SPACE_NEEDED } from './cuda.mjs';
import {
  emptyFolder,
  folderSize,
  isFile,
  isFolder,
  megabytes,
  packageJson,
  root,
  sha256OfFile,
  workDir,
} from './files.mjs';
import { SetupError } from './report.mjs';
import { ensurePip } from './tools.mjs';
import { checkWheel, pipDownload, UNREACHABLE, unpack } from './wheel.mjs';

export const pinned = packageJson.libtorch.version;

const home = join(workDir, '.libtorch');
const suffix = process.platform === 'darwin' ? 'dylib' : 'so';

const CONNECT_TIMEOUT = 8_000;
const STALL_TIMEOUT = 30_000;
const SPACE_NEEDED = 1.5e9;
// One that the torch release has wheels for.
const wheelPython = '3.11';

function versionOf(folder) {
  const read = (file) =>
    isFile(join(folder, file)) ? readFileSync(join(folder, file), 'utf8') : '';
  return (
    /__version__ = '([^']+)'/.exec(read('version.py'))?.[1] ??
    (read('build-version').trim() || 'unknown')
  );
}

const releaseOf = (version) => version.split('+')[0];

/** What is in a folder that may be a libtorch; undefined when it is not one, or half of one. */
export function inspect(folder) {
  const library = (name) => isFile(join(folder, 'lib', `lib${name}.${suffix}`));
  const complete =
    ['torch', 'torch_cpu', 'c10'].every(library) && isFile(join(folder, 'include/ATen/ATen.h'));
  if (!complete) return undefined;
  return { folder: realpathSync(folder), version: versionOf(folder), cuda: library('torch_cuda') };
}

function fromEnvironment() {
  const named = process.env.LIBTORCH;
  if (!named) return undefined;
  for (const folder of [named, join(named, 'torch'), join(named, 'libtorch')]) {
    const found = inspect(folder);
    if (found) return found;
  }
  throw new SetupError(
    `LIBTORCH is set to '${named}', which is no unpacked libtorch and no torch package folder ` +
      `(lib/libtorch_cpu.${suffix} and include/ATen/ATen.h belong in it).`,
    'Correct LIBTORCH, or unset it to have libtorch fetched.',
  );
}

function fromEarlierRun() {
  // The CUDA build is there because somebody asked for it, and runs on CPUs as well.
  return [home, join(root, '.libtorch')]
    .flatMap((place) => ['cuda/torch', 'torch', 'libtorch'].map((name) => join(place, name)))
    .map(inspect)
    .find((found) => found && releaseOf(found.version) === pinned);
}

/** The libtorch that is there already; nothing is fetched. */
export function locate() {
  const named = fromEnvironment();
  return named ? { ...named, origin: 'LIBTORCH' } : fromEarlierRun();
}

export function versionWarning(found) {
  if (releaseOf(found.version) === pinned) return undefined;
  return (
    `LIBTORCH holds version ${found.version}, this package is tested with ${pinned}: ` +
    'model archives made with another release may compute differently.'
  );
}

const archiveBase = 'https://download.pytorch.org/libtorch/cpu/';
const archiveNames = {
  'linux-x64': `libtorch-shared-with-deps-${pinned}%2Bcpu.zip`,
  'darwin-arm64': `libtorch-macos-arm64-${pinned}.zip`,
};
const platform = `${process.platform}-${process.arch}`;

/**
 * Compares the official archive with its checksum. Its publisher names none: those in package.json are
 * pinned by at least two public projects each, which agree; they were not read from the host itself.
 *
 * @returns undefined, or what is wrong.
 */
export async function checkArchive(archive, expected, step) {
  const sha256 = await sha256OfFile(archive);
  if (expected && sha256 !== expected) return `its SHA-256 is ${sha256} instead of ${expected}`;
  const verdict = expected ? 'as pinned' : 'none is pinned to compare it with';
  step.note(`the official archive: SHA-256 ${sha256}, ${verdict}`);
  return undefined;
}

const causeOf = (error) => error.cause?.code ?? error.code ?? error.message;

async function download(url, file, onProgress) {
  const controller = new AbortController();
  const give = (milliseconds) =>
    setTimeout(
      () => controller.abort(new Error(`no answer in ${milliseconds / 1000} s`)),
      milliseconds,
    );
  let timer = give(CONNECT_TIMEOUT);
  try {
    const response = await fetch(url, { signal: controller.signal });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const size = Number(response.headers.get('content-length'));
    let received = 0;
    const count = new Transform({
      transform(chunk, _encoding, done) {
        clearTimeout(timer);
        timer = give(STALL_TIMEOUT);
        received += chunk.length;
        onProgress(received, size);
        done(undefined, chunk);
      },
    });
    await pipeline(Readable.fromWeb(response.body), count, createWriteStream(file), {
      signal: controller.signal,
    });
    if (size && received !== size) throw new Error(`${received} of ${size} bytes arrived`);
  } finally {
    clearTimeout(timer);
  }
}

async function officialArchive(partial, step) {
  const name = archiveNames[platform];
  if (!name) return 'no official archive for this platform';
  const archive = join(partial, 'libtorch.zip');
  let progress = '';
  step.doing(`downloading the official archive, ${pinned}`, () => progress);
  try {
    await download(`${archiveBase}${name}`, archive, (received, size) => {
      progress = size ? `${megabytes(received)} of ${megabytes(size)}` : megabytes(received);
    });
  } catch (error) {
    return causeOf(error);
  }
  return (
    (await checkArchive(archive, packageJson.libtorch.sha256[platform], step)) ??
    (await unpack(archive, partial, step, 'the official archive'))
  );
}

const cpuIndex = 'https://download.pytorch.org/whl/cpu';

/** Where pip is told to look for the pinned torch, one after the other. */
export const pipAttempts = [
  {
    name: "PyTorch's CPU index",
    version: `${pinned}+cpu`,
    // Only torch itself: what it depends on comes from the ordinary index.
    options: ['--no-deps', '--index-url', cpuIndex, '--timeout', '8', '--retries', '1'],
    when: process.platform === 'linux',
  },
  {
    name: "pip's own indexes, as a CPU wheel",
    version: `${pinned}+cpu`,
    options: [],
    when: process.platform === 'linux',
  },
  {
    name: "pip's own indexes",
    version: pinned,
    options: [],
    when: true,
  },
];

async function wheel({ name, version, options }, partial, step) {
  const folder = emptyFolder(join(partial, 'wheel'));
  // Into our own folder: /tmp may be RAM, and its size is the only progress pip lets one see.
  const temporary = emptyFolder(join(partial, 'pip'));
  const log = join(partial, 'pip.log');
  step.doing(`downloading the torch wheel from ${name}`, () =>
    megabytes(folderSize(temporary) + folderSize(folder)),
  );
  const pip = (...more) =>
    pipDownload([`torch==${version}`], ['--no-deps', ...options, ...more], {
      folder,
      temporary,
      log,
    });
  let reason = await pip();
  // The C++ half is the same for every Python: a wheel for another one than this machine's serves.
  if (reason?.includes('No matching distribution') && !reason.endsWith(UNREACHABLE)) {
    if (!(await pip('--python-version', wheelPython))) reason = undefined;
  }
  const file = readdirSync(folder).find((entry) => entry.endsWith('.whl'));
  if (reason || !file) return reason ?? 'pip downloaded no wheel';
  return (
    (await checkWheel(join(folder, file), log, step)) ??
    (await unpack(join(folder, file), partial, step, 'the torch wheel'))
  );
}

function keep(partial) {
  for (const name of ['torch', 'libtorch']) {
    const found = inspect(join(partial, name));
    if (!found || releaseOf(found.version) !== pinned) continue;
    // Renamed into place only when complete: an interrupted run leaves nothing that looks usable.
    for (const entry of [name, 'torch.libs']) {
      if (!isFolder(join(partial, entry))) continue;
      rmSync(join(home, entry), { recursive: true, force: true });
      renameSync(join(partial, entry), join(home, entry));
    }
    return inspect(join(home, name));
  }
  return undefined;
}

function checkSpace(needed) {
  const { bavail, bsize } = statfsSync(home);
  if (bavail * bsize >= needed) return;
  throw new SetupError(
    `libtorch needs ${megabytes(needed)} while it is unpacked, and ${home} has ${megabytes(bavail * bsize)} left.`,
    'Make room, or set LIBTORCH to an unpacked libtorch elsewhere. Then run this again.',
  );
}

function prepareHome(spaceNeeded) {
  mkdirSync(home, { recursive: true });
  for (const entry of readdirSync(home)) {
    if (entry.startsWith('partial-')) rmSync(join(home, entry), { recursive: true, force: true });
  }
  checkSpace(spaceNeeded);
}

async function fetchCudaLibtorch(step) {
  prepareHome(CUDA_SPACE_NEEDED);
  await ensurePip(step);
  return fetchCuda(step, { home, pinned, inspect });
}

async function fetchLibtorch(step) {
  prepareHome(SPACE_NEEDED);
  const partial = emptyFolder(join(home, `partial-${process.pid}`));
  const failures = [];
  const failed = (name, reason) => {
    failures.push(`${name}: ${reason || 'it does not hold what it should'}`);
    step.note(`not to be had from ${failures.at(-1)}`);
  };
  try {
    const reason = await officialArchive(partial, step);
    const found = !reason && keep(partial);
    if (found) return { ...found, origin: 'the official archive' };
    failed('the official archive', reason);

    await ensurePip(step);
    for (const pip of pipAttempts.filter(({ when }) => when)) {
      emptyFolder(partial);
      const pipReason = await wheel(pip, partial, step);
      const kept = !pipReason && keep(partial);
      if (kept) return { ...kept, origin: 'the torch wheel' };
      failed(pip.name, pipReason);
    }
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  throw new SetupError(
    `libtorch ${pinned} (CPU) could not be had:\n${failures.map((line) => `  - ${line}`).join('\n')}`,
    'Give this machine a way to download.pytorch.org or to a package index that has the torch wheel,\n' +
      `or unpack libtorch ${pinned} yourself and set LIBTORCH to its folder. Then run this again.`,
  );
}

/** A CUDA libtorch finds NVIDIA's libraries in its own folder or in `nvidia/` beside it. */
function nvidiaWarning({ folder, cuda }) {
  const beside = isFolder(join(folder, '../nvidia'));
  const inside = readdirSync(join(folder, 'lib')).some((file) => file.startsWith('libcudart'));
  if (!cuda || beside || inside) return undefined;
  return `the NVIDIA libraries are not beside ${folder}: torch/ and nvidia/ belong side by side`;
}

/** Finds or fetches libtorch, in the order of the documentation. */
export async function ensureLibtorch(step, { cuda = false } = {}) {
  const there = locate();
  if (cuda && there?.origin === 'LIBTORCH' && !there.cuda) {
    throw new SetupError(
      `--cuda: LIBTORCH ('${there.folder}') is a CPU build.`,
      'Set LIBTORCH to a CUDA build (.../site-packages/torch), or unset it to have one fetched.',
    );
  }
  const found =
    cuda && !there?.cuda ? await fetchCudaLibtorch(step) : (there ?? (await fetchLibtorch(step)));
  for (const warning of [versionWarning(found), nvidiaWarning(found)]) {
    if (warning) step.note(`warning: ${warning}`);
  }
  const build = found.cuda ? 'CUDA' : 'CPU';
  const where = found.origin ? ` from ${found.origin}` : ' (already done)';
  return { text: `ok: ${found.version}, ${build}${where}`, value: found };
}
