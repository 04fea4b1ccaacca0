import { runChecks } from './checks.mjs';
import { createTally } from './tally.mjs';

const tally = createTally();
tally.add(runChecks());
process.exitCode = tally.finish();
