import { parseArgs } from 'node:util';
import { runChecks } from './checks.mjs';
import { setup } from './setup/index.mjs';
import { createReport, SetupError } from './setup/report.mjs';
import {
  buildCoreProgram,
  ordered,
  runCoreTests,
  runNodeTests,
  testFiles,
  usesPromtool,
} from './suites.mjs';
import { heading, runSuites } from './tally.mjs';

const usage = `usage: npm test -- [--order reverse | --seed N] [part of a test file's name ...]
       npm test -- --sanitize | --sanitize-threads
       npm run test:long -- [part of a test file's name ...]
  --order reverse      the test files in reverse order
  --seed N             the test files in an order that N decides
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
    const { values, positionals } = parseArgs({
      options: {
        long: { type: 'boolean', default: false },
        order: { type: 'string' },
        seed: { type: 'string' },
        sanitize: { type: 'boolean', default: false },
        'sanitize-threads': { type: 'boolean', default: false },
      },
      allowPositionals: true,
    });
    if (values.order !== undefined && values.order !== 'reverse') {
      throw new Error(`--order ${values.order}: the only order is "reverse"`);
    }
    return { values, positionals };
  } catch (error) {
    throw new SetupError(error.message, usage);
  }
}

async function coreTests(libtorch, sanitize) {
  heading(`core (C++${sanitize ? `, ${sanitize} sanitizers` : ''})`);
  try {
    const program = await createReport().step('core tests', (step) =>
      buildCoreProgram(step, libtorch, { sanitize }),
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
  const sanitize = values.sanitize
    ? 'address,undefined'
    : values['sanitize-threads']
      ? 'thread'
      : '';
  const all = !sanitize && !values.long && !positionals.length;
  const reverse = values.order === 'reverse';
  const files = ordered(testFiles(positionals, values), { reverse, seed: values.seed });
  const { libtorch } = await setup({
    testTools: [
      'curl',
      ...(all ? ['clang-format'] : []),
      ...(all || sanitize ? ['doctest-dev'] : []),
    ],
    promtool: !sanitize && usesPromtool(files),
  });
  if (all) tally.add(await runChecks());
  if (all || sanitize) tally.add(await coreTests(libtorch, sanitize));
  if (!sanitize) {
    heading('TypeScript');
    tally.add(await runNodeTests(files));
  }
});
