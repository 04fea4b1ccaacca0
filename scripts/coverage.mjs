import { join } from 'node:path';
import { packageBin, show } from './checks.mjs';
import { stateDir } from './setup/files.mjs';
import { setup } from './setup/index.mjs';
import { main } from './setup/report.mjs';
import { nodeTestArguments, testFiles } from './suites.mjs';

await main(async () => {
  await setup({ testTools: ['curl'], promtool: true });
  const tests = nodeTestArguments(testFiles(), join(stateDir, 'coverage.json'));
  const c8 = [
    '--all',
    '--exclude-after-remap',
    '--src',
    'src',
    '--include',
    'src/**',
    '--reporter',
    'text',
    '--reporter',
    'html',
  ];
  return show(process.execPath, [packageBin('c8'), ...c8, process.execPath, ...tests]) ? 0 : 1;
});
