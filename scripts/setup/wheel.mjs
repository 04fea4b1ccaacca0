import { readFileSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { megabytes, sha256OfFile } from './files.mjs';
import { attempt } from './run.mjs';
import { readZipped, unzip } from './unzip.mjs';

const PAGE_TIMEOUT_MS = 15_000;

/** Ends the reason of {@link pipDownload} when that may be all. */
export const UNREACHABLE = 'an index cannot be reached';

/** The C++ half of a torch wheel or of a libtorch archive, and NVIDIA's libraries. */
const WANTED = [
  /^(torch|libtorch)\/(lib|include|share)\//,
  /^torch\.libs\//,
  /^torch\/version\.py$/,
  /^nvidia\/.*\.so(\.[0-9.]+)?$/,
  /^libtorch\/build-version$/,
];
/** Parts of torch's Python half, tests and static libraries: as large again, and of no use here. */
const UNWANTED =
  /\/lib\/lib(torch_python|torch_global_deps|shm|backend_with_compiler|aoti_custom_ops|\w+_test\.)|\.a$/;

/**
 * Downloads wheels with pip into `folder`.
 *
 * @param log pip's full log is written to this file.
 * @returns undefined, or why there are none.
 */
export async function pipDownload(requirements, options, { folder, temporary, log }) {
  const result = await attempt(
    'libtorch-pip',
    'python3',
    [
      ...['-m', 'pip', 'download', '--only-binary', ':all:', '--no-cache-dir'],
      ...['--progress-bar', 'off', '--log', log, '--dest', folder],
      ...options,
      ...requirements,
    ],
    { env: { TMPDIR: temporary, PIP_DISABLE_PIP_VERSION_CHECK: '1' } },
  );
  if (result.ok) return undefined;
  const line = result.tail.split('\n').findLast((text) => text.startsWith('ERROR'));
  const reason = line?.replace(/^ERROR: /, '') ?? result.tail;
  return /Retrying/.test(result.tail) ? `${reason}; ${UNREACHABLE}` : reason;
}

/** The NVIDIA packages that a torch wheel asks for, as pip takes them. */
export async function nvidiaRequirements(wheel) {
  const metadata = await readZipped(wheel, '.dist-info/METADATA');
  // Not cuda-bindings and triton, which serve torch's Python half.
  return [...metadata.matchAll(/^Requires-Dist: ((?:nvidia-|cuda-toolkit).*)$/gm)].map(
    ([, requirement]) => requirement.trim(),
  );
}

/**
 * Compares a wheel with the SHA-256 that its package index names. pip does so too, but it does not
 * say whether there was one.
 *
 * @param log what pip wrote while it downloaded the wheel.
 * @returns undefined, or what is wrong.
 */
export async function checkWheel(file, log, step) {
  const name = basename(file);
  const sha256 = await sha256OfFile(file);
  const known = await indexedSha256s(name, readFileSync(log, 'utf8'));
  if (known.length > 0 && !known.includes(sha256)) {
    return `its SHA-256 is ${sha256} instead of ${known.join(' or ')}, which its package index names`;
  }
  const verdict =
    known.length > 0 ? 'as its package index says' : 'no index names one to compare it with';
  step.note(`${name}: SHA-256 ${sha256}, ${verdict}`);
  return undefined;
}

/** What the indexes that pip read say of a file: in its link, or on a page in JSON. */
async function indexedSha256s(name, log) {
  const found = new Set();
  for (const [, link, page] of log.matchAll(/Found link (\S+) \(from (\S+)\)/g)) {
    const { pathname, hash } = new URL(link);
    if (decodeURIComponent(basename(pathname)) !== name) continue;
    const sha256 = /^#sha256=([0-9a-f]{64})$/.exec(hash)?.[1] ?? (await sha256OnPage(page, name));
    if (sha256) found.add(sha256);
  }
  return [...found];
}

async function sha256OnPage(page, name) {
  try {
    const { fetch, EnvHttpProxyAgent } = await import('undici');
    const response = await fetch(page, {
      headers: { accept: 'application/vnd.pypi.simple.v1+json' },
      dispatcher: new EnvHttpProxyAgent(),
      signal: AbortSignal.timeout(PAGE_TIMEOUT_MS),
    });
    const { files } = await response.json();
    return files.find(({ filename }) => filename === name)?.hashes.sha256;
  } catch {
    // An index that is a folder, or needs a login that pip knows and its log does not show.
    return undefined;
  }
}

/**
 * Unpacks what is needed of a libtorch archive or wheel, which is removed.
 *
 * @param cuda whether it may be a CUDA build, or one of the NVIDIA packages that belong beside it.
 * @returns undefined, or what went wrong.
 */
export async function unpack(archive, folder, step, name, { cuda = false } = {}) {
  let progress = '';
  step.doing(`unpacking ${name}`, () => progress);
  const wants = (names) => {
    // Without the NVIDIA packages beside it, not even its CPU half can be loaded.
    if (!cuda && names.some((file) => file.includes('/lib/libtorch_cuda.'))) {
      throw new Error('a CUDA build, which does not work without its NVIDIA packages');
    }
    return names.filter(
      (file) => WANTED.some((wanted) => wanted.test(file)) && !UNWANTED.test(file),
    );
  };
  const onProgress = (done, total) => {
    progress = `${megabytes(done)} of ${megabytes(total)}`;
  };
  try {
    await unzip(archive, folder, { wants, onProgress });
    return undefined;
  } catch (error) {
    return error.message;
  } finally {
    rmSync(archive, { force: true });
  }
}
