/**
 * The folders of the prebuilt packages: the addon for this platform, and its libtorch.
 */
import { copyFileSync, existsSync, linkSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageJson, root } from '../setup/files.mjs';
import { jobs } from '../setup/native.mjs';
import { SetupError } from '../setup/report.mjs';
import { mustRun } from '../setup/run.mjs';

export const platform = `${process.platform}-${process.arch}`;
export const ADDON = `@oxboard/${platform}`;
export const LIBTORCH = `@oxboard/libtorch-${platform}`;

/** What the addon is linked with, and the OpenMP runtime of that. */
const LIBRARY = /^lib(torch|torch_cpu|c10|gomp|omp)\b.*\.(so(\.\d+)*|dylib)$/;

/** Links the addon anew, for a place beside the package of libtorch. Returns its path. */
async function linkAddon() {
  const build = join(root, 'build');
  const failure = 'The prebuilt addon could not be linked';
  await mustRun('prebuilt-configure', 'cmake', [`-DOXBOARD_PLATFORM=${platform}`, build], {
    failure,
  });
  const target = ['--build', build, '--target', 'oxboard_prebuilt', '--parallel', String(jobs)];
  await mustRun('prebuilt', 'cmake', target, { failure });
  return join(build, 'Prebuilt/oxboard.node');
}

const common = (name, version, description, license) => ({
  name,
  version,
  description,
  license,
  os: [process.platform],
  cpu: [process.arch],
  engines: packageJson.engines,
  ...(process.platform === 'linux' && { libc: ['glibc'] }),
});

function writePackage(folder, manifest, readme) {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  writeFileSync(join(folder, 'README.md'), `# ${manifest.name}\n\n${readme}\n`);
}

/** The file itself under another name; a copy where the disk is another one. */
function place(file, target) {
  try {
    linkSync(file, target);
  } catch (error) {
    if (error.code !== 'EXDEV') throw error;
    copyFileSync(file, target);
  }
}

/**
 * Writes the folders of both packages into `out`, after the native build.
 *
 * @param libtorch what the addon is built with: a CPU build of the pinned version.
 * @returns {Promise<{ addon: string, libtorch: string }>} their paths.
 */
export async function stagePrebuilt(out, libtorch) {
  const { version } = packageJson.libtorch;
  if (libtorch.cuda || libtorch.version.split('+')[0] !== version) {
    throw new SetupError(
      `The prebuilt packages hold the CPU build of libtorch ${version}, and the addon is built with ${libtorch.version}.`,
      'Unset LIBTORCH and remove .libtorch/cuda, then run this again.',
    );
  }
  const binary = await linkAddon();

  const addon = join(out, platform);
  mkdirSync(addon, { recursive: true });
  copyFileSync(binary, join(addon, 'oxboard.node'));
  copyFileSync(join(root, 'LICENSE'), join(addon, 'LICENSE'));
  const about = `The native addon of oxboard-demucs, built for ${platform}`;
  writePackage(
    addon,
    {
      ...common(ADDON, packageJson.version, about, packageJson.license),
      dependencies: { [LIBTORCH]: version },
    },
    `${about}. oxboard-demucs loads it; nothing else is in it.`,
  );

  const libraries = join(out, `libtorch-${platform}`);
  mkdirSync(join(libraries, 'lib'), { recursive: true });
  for (const folder of [join(libtorch.folder, 'lib'), join(libtorch.folder, '../torch.libs')]) {
    const names = existsSync(folder) ? readdirSync(folder) : [];
    for (const name of names.filter((entry) => LIBRARY.test(entry))) {
      place(join(folder, name), join(libraries, 'lib', name));
    }
  }
  copyFileSync(join(root, 'scripts/package/libtorch-licenses.txt'), join(libraries, 'LICENSE'));
  writePackage(
    libraries,
    common(LIBTORCH, version, `libtorch ${version} (CPU) for ${ADDON}`, 'SEE LICENSE IN LICENSE'),
    `The libraries of libtorch ${version} (CPU) that ${ADDON} needs, as PyTorch publishes them.`,
  );
  return { addon, libtorch: libraries };
}
