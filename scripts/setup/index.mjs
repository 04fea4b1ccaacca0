import { ensureLibtorch } from './libtorch.mjs';
import { withLock } from './lock.mjs';
import { buildNative } from './native.mjs';
import { isClone } from './files.mjs';
import { ensurePackages } from './packages.mjs';
import { prebuiltAddon } from './prebuilt.mjs';
import { buildPage } from './page.mjs';
import { checkPlatform } from './platform.mjs';
import { ensurePromtool } from './promtool.mjs';
import { createReport, forPeople } from './report.mjs';
import { ensureTools } from './tools.mjs';
import { buildTypeScript } from './typescript.mjs';

export { SetupError } from './report.mjs';

/**
 * Makes a clone or an installed package ready to run; what is done is skipped. Each line of what it
 * does goes to `log`, by default to stdout. `testTools` are names of tools that only tests need.
 * Rejects with a SetupError, whose message is for people.
 */
export async function setup({ cuda = false, log, testTools = [], promtool = false } = {}) {
  const warning = checkPlatform();
  const report = createReport(log);
  if (warning) report.line(`warning: ${warning}`);

  const work = async () => {
    const prebuilt = !isClone && !cuda && (await prebuiltAddon(report));
    if (prebuilt) {
      const tools = (step) => ensureTools(step, { build: false });
      await report.step('system tools', tools);
      report.line(`native build  ok: prebuilt, ${prebuilt}`);
      return { binary: prebuilt };
    }
    if (isClone) await report.step('npm packages', ensurePackages);
    await report.step('system tools', (step) => ensureTools(step, { also: testTools }));
    if (promtool) await report.step('promtool', ensurePromtool);
    const libtorch = await report.step('libtorch', (step) => ensureLibtorch(step, { cuda }));
    const binary = await report.step('native build', (step) => buildNative(step, libtorch));
    if (isClone) {
      await report.step('TypeScript', buildTypeScript);
      await report.step('page', buildPage);
    }
    return { libtorch, binary };
  };
  return withLock(report, work).catch((error) => {
    throw forPeople(error);
  });
}
