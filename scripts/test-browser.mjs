/** `npm run test:browser`: the page in Chromium, against the real service. */
import { setup } from './setup/index.mjs';
import { runNodeTests, testFiles } from './suites.mjs';
import { heading, runSuites } from './tally.mjs';

await runSuites(async (tally) => {
  await setup({ testTools: ['chromium'] });
  heading('Browser');
  tally.add(await runNodeTests(testFiles(process.argv.slice(2), { browser: true })));
});
