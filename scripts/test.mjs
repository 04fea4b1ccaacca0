import { parseArgs } from 'node:util';
import { runChecks } from './checks.mjs';
import { setup } from './setup/index.mjs';
import { createReport, SetupError } from './setup/report.mjs';
import { buildCoreTests, runCoreTests, runNodeTests, testFiles } from './suites.mjs';
import { heading, runSuites } from './tally.mjs';

const usage = `usage: npm test -- [--sanitize | --sanitize-threads] [part of a test file's name ...]
  --sanitize           the tests of the core with the address and undefined-behaviour sanitizers, alone
  --sanitize-threads   those that libtorch allows with the thread sanitizer, alone`;

// libtorch's OpenMP runtime is not built for the thread sanitizer, which takes what its teams share
// for races.
const OPENMP_TESTS = [
  'attention*',
  'dconv*',
  'denormals*',
  'interleave*',
  'linear*',
  'threads*',
  'token norms*',
  'transposed*',
].join(',');

function options() {
  try {
    return parseArgs({
      options: {
        sanitize: { type: 'boolean', default: false },
        'sanitize-threads': { type: 'boolean', default: false },
      },
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
    return await runCoreTests(program, sanitize === 'thread' ? [`-tce=${OPENMP_TESTS}`] : []);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.log(error.message);
    return { passed: 0, failed: 1 };
  }
}

await runSuites(async (tally) => {
  const { values, positionals } = options();
  const { libtorch } = await setup({ forTests: true });
  const sanitize = values.sanitize
    ? 'address,undefined'
    : values['sanitize-threads']
      ? 'thread'
      : '';
  const all = !sanitize && !positionals.length;
  if (all) tally.add(runChecks());
  if (all || sanitize) tally.add(await coreTests(libtorch, sanitize));
  if (!sanitize) {
    heading('TypeScript');
    tally.add(runNodeTests(testFiles(positionals)));
  }
});
