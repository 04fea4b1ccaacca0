import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './setup/files.mjs';
import { setup } from './setup/index.mjs';
import { main } from './setup/report.mjs';

await main(async () => {
  await setup();
  console.log('');
  const program = join(root, 'dist/bin/cli.js');
  process.argv.splice(1, 1, program, 'serve');
  // In this process, so that signals reach the service and not only whoever waits for it.
  await import(pathToFileURL(program).href);
  return process.exitCode;
});
