import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from './setup/files.mjs';
import { setup } from './setup/index.mjs';
import { main } from './setup/report.mjs';

await main(async () => {
  await setup();
  console.log('');
  const program = ['--import', 'tsx', join(root, 'scripts/chaos/run.ts')];
  const { status } = spawnSync(process.execPath, [...program, ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  return status ?? 1;
});
