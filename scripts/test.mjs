import { parseArgs } from 'node:util';
import { runChecks } from './checks.mjs';
import { setup } from './setup/index.mjs';
import { createReport, SetupError } from './setup/report.mjs';
import { buildCoreTests, runCoreTests, runNodeTests } from './suites.mjs';
import { heading, runSuites } from './tally.mjs';

const usage = `usage: npm test -- [--sanitize] [part of a test file's name ...]
  --sanitize   the tests of the core with the address and undefined-behaviour sanitizers, alone`;

function options() {
  try {
    return parseArgs({
      options: { sanitize: { type: 'boolean', default: false } },
      allowPositionals: true,
    });
  } catch (error) {
    throw new SetupError(error.message, usage);
  }
}

async function coreTests(libtorch, sanitize) {
  heading(`core (C++${sanitize ? `, ${sanitize} sanitizers` : ''})`);
  try {
    const program = await createReport().step('core tests', (step) =>
      buildCoreTests(step, libtorch, sanitize),
    );
    return await runCoreTests(program);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.log(error.message);
    return { passed: 0, failed: 1 };
  }
}

await runSuites(async (tally) => {
  const { values, positionals } = options();
  const { libtorch } = await setup({ forTests: true });
  const all = !values.sanitize && !positionals.length;
  if (all) tally.add(runChecks());
  if (all || values.sanitize) {
    tally.add(await coreTests(libtorch, values.sanitize ? 'address,undefined' : ''));
  }
  if (!values.sanitize) {
    heading('TypeScript');
    tally.add(runNodeTests(positionals));
  }
});
