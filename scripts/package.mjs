/**
 * `npm run package -- --out DIR`: the tarballs of the package itself and of the prebuilt ones for this
 * platform. Only the packed manifest names the prebuilt ones: `npm ci` in a clone knows nothing of them.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ADDON, stagePrebuilt } from './package/stage.mjs';
import { emptyFolder, megabytes, packageJson, root } from './setup/files.mjs';
import { setup } from './setup/index.mjs';
import { createReport, main, SetupError } from './setup/report.mjs';
import { mustRun } from './setup/run.mjs';

function outFolder() {
  try {
    const { out } = parseArgs({ options: { out: { type: 'string' } } }).values;
    if (out) return resolve(out);
  } catch {
    // Said below.
  }
  throw new SetupError(
    '--out names the folder for the tarballs.',
    'usage: npm run package -- --out DIR',
  );
}

const tarballs = (folder) => readdirSync(folder).filter((name) => name.endsWith('.tgz'));

async function pack(folder, out) {
  const before = tarballs(out);
  await mustRun('pack', 'npm', ['pack', '--silent', '--pack-destination', out], {
    cwd: folder,
    failure: `npm could not pack ${folder}`,
  });
  return tarballs(out).find((name) => !before.includes(name));
}

/** The package as npm packs it, with a manifest that names the addon. */
async function stageMain(work) {
  const tarball = join(work, await pack(root, work));
  await mustRun('unpack', 'tar', ['-xzf', tarball, '-C', work], {
    failure: 'The package could not be unpacked',
  });
  const folder = join(work, 'package');
  const { optionalDependencies, version } = packageJson;
  const manifest = {
    ...packageJson,
    optionalDependencies: { ...optionalDependencies, [ADDON]: version },
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return folder;
}

await main(async () => {
  const out = outFolder();
  const { libtorch } = await setup();
  mkdirSync(out, { recursive: true });
  const work = emptyFolder(join(out, `.work-${process.pid}`));
  const report = createReport();
  try {
    const prebuilt = await report.step('prebuilt', async (step) => {
      step.doing('linking the addon');
      return { text: 'ok', value: await stagePrebuilt(join(work, 'prebuilt'), libtorch) };
    });
    const folders = [await stageMain(work), prebuilt.addon, prebuilt.libtorch];
    for (const folder of folders) {
      await report.step('package', async (step) => {
        step.doing('packing');
        const packed = emptyFolder(join(work, 'packed'));
        const name = await pack(folder, packed);
        renameSync(join(packed, name), join(out, name));
        return { text: `${join(out, name)}, ${megabytes(statSync(join(out, name)).size)}` };
      });
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});
