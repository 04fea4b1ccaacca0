import { parseArgs } from 'node:util';
import { ensureLibtorch } from './setup/libtorch.mjs';
import { withLock } from './setup/lock.mjs';
import { buildNative } from './setup/native.mjs';
import { isClone } from './setup/files.mjs';
import { ensurePackages } from './setup/packages.mjs';
import { createReport, main, SetupError } from './setup/report.mjs';
import { ensureTools } from './setup/tools.mjs';

const usage = 'usage: npm run build:native -- [--cuda] [--debug] [--out DIR]';

function options() {
  try {
    return parseArgs({
      options: {
        cuda: { type: 'boolean', default: false },
        debug: { type: 'boolean', default: false },
        out: { type: 'string', default: 'build' },
      },
    }).values;
  } catch (error) {
    throw new SetupError(error.message, usage);
  }
}

await main(async () => {
  const { cuda, debug, out } = options();
  const report = createReport();
  await withLock(report, async () => {
    if (isClone) await report.step('npm packages', ensurePackages);
    await report.step('system tools', ensureTools);
    const libtorch = await report.step('libtorch', (step) => ensureLibtorch(step, { cuda }));
    await report.step('native build', (step) => buildNative(step, libtorch, { out, debug }));
  });
});
