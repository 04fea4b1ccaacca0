import { ensureLibtorch } from './libtorch.mjs';
import { withLock } from './lock.mjs';
import { buildNative } from './native.mjs';
import { ensurePackages, isClone } from './packages.mjs';
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
  const clone = isClone();

  const work = async () => {
    if (clone) await report.step('npm packages', ensurePackages);
    await report.step('system tools', (step) => ensureTools(step, { also: testTools }));
    if (promtool) await report.step('promtool', ensurePromtool);
    const libtorch = await report.step('libtorch', (step) => ensureLibtorch(step, { cuda }));
    const binary = await report.step('native build', (step) => buildNative(step, libtorch));
    if (clone) {
      await report.step('TypeScript', buildTypeScript);
      await report.step('page', buildPage);
    }
    return { libtorch, binary };
  };
  return withLock(report, work).catch((error) => {
    throw forPeople(error);
  });
}
