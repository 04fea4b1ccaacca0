import { forPeople, SetupError } from './setup/report.mjs';

/** Adds up what the suites report; CI reads the last line. */
export function createTally() {
  let passed = 0;
  let failed = 0;
  return {
    add(counts) {
      passed += counts.passed;
      failed += counts.failed;
    },
    /** Prints the line and returns the exit status. A run without a single test is a failure. */
    finish() {
      console.log(`\n${passed} passed, ${failed} failed`);
      return failed === 0 && passed > 0 ? 0 : 1;
    },
  };
}

export function heading(text) {
  console.log(`\n== ${text}`);
}

/** Runs suites that add to the tally; its line comes last, also when set-up could not be done. */
export async function runSuites(work) {
  const tally = createTally();
  try {
    await work(tally);
  } catch (error) {
    const told = forPeople(error);
    if (!(told instanceof SetupError)) throw error;
    console.log(`\n${told.message}`);
    tally.add({ passed: 0, failed: 1 });
  }
  process.exitCode = tally.finish();
}
