import { join } from 'node:path';
import { argv } from 'node:process';
import { runPython } from '../python.mjs';
import { root } from '../setup/files.mjs';
import { setup } from '../setup/index.mjs';
import { main } from '../setup/report.mjs';

await main(async () => {
  await setup();
  return runPython([join(root, 'scripts/parity/parity.py'), ...argv.slice(2)]);
});
