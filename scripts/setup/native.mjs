import { mkdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import {
  fingerprint,
  isClone,
  isFile,
  readJson,
  readStamp,
  root,
  sha256OfFile,
  workDir,
  writeStamp,
} from './files.mjs';
import { outputOf, mustRun } from './run.mjs';

const require = createRequire(join(root, 'package.json'));

// One translation unit with libtorch's headers takes up to 2 GB in the compiler.
export const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / 2e9)));

/** Ninja and make count in the same way; the last such line tells how far a build is. */
export function buildProgress() {
  let text = '';
  return {
    onLine: (line) => (text = /^\[\s*(\d+\/\d+|\d+%)\]/.exec(line)?.[1] ?? text),
    measure: () => text,
  };
}

/** What a build depends on; where libtorch came from is not part of it. */
export const identity = ({ folder, version, cuda }) => ({ folder, version, cuda });

function fingerprints(libtorch, type) {
  const versionOf = (name) => readJson(require.resolve(`${name}/package.json`)).version;
  const configure = fingerprint(['CMakeLists.txt'], root, identity(libtorch), type, {
    system: [process.platform, process.arch],
    cmake: outputOf('cmake', '--version'),
    compiler: outputOf(process.env.CXX || 'c++', '--version'),
    packages: ['cmake-js', 'node-addon-api'].map(versionOf),
  });
  return { configure, sources: fingerprint(['native/core', 'native/addon'], configure) };
}

/** The addon through cmake-js, in <out>/Release/oxboard.node. */
export async function buildNative(step, libtorch, { out = 'build', debug = false } = {}) {
  const folder = resolve(workDir, out);
  const stampFile = join(folder, '.oxboard-stamp.json');
  const binary = join(folder, 'Release/oxboard.node');
  const type = debug ? 'RelWithDebInfo' : 'Release';
  const { configure, sources } = fingerprints(libtorch, type);
  const stamp = readStamp(stampFile);
  if (stamp.sources === sources && isFile(binary) && stamp.binary === (await sha256OfFile(binary)))
    return { text: 'ok (already done)', value: binary };

  const progress = buildProgress();
  step.doing('compiling the addon', progress.measure);
  mkdirSync(folder, { recursive: true });
  // `cmake-js build` configures only where there is no cache yet.
  if (stamp.configure !== configure) {
    for (const entry of ['CMakeCache.txt', 'CMakeFiles']) {
      rmSync(join(folder, entry), { recursive: true, force: true });
    }
  }
  rmSync(stampFile, { force: true });
  // A damaged binary is newer than its sources: ninja and make would keep it.
  if (stamp.sources === sources) rmSync(binary, { force: true });
  const cmakeJs = require.resolve('cmake-js/bin/cmake-js');
  await mustRun(
    'native',
    process.execPath,
    [
      cmakeJs,
      'build',
      '--directory',
      root,
      '--out',
      folder,
      '--config',
      type,
      '--parallel',
      String(jobs),
      `--CDLIBTORCH=${libtorch.folder}`,
    ],
    {
      onLine: progress.onLine,
      failure: 'The native build failed',
      mend: `Mend what the compiler names, then run: npm run build:native (to start anew: rm -r ${folder})`,
    },
  );
  writeStamp(stampFile, { configure, sources, binary: await sha256OfFile(binary) });
  return { text: `ok: ${isClone ? join(out, 'Release/oxboard.node') : binary}`, value: binary };
}
