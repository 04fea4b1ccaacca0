import { runChecks } from './checks.mjs';
import { createTally } from './tally.mjs';

const tally = createTally();
tally.add(await runChecks({ cached: true }));
process.exitCode = tally.finish();
