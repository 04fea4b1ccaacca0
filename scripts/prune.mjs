/**
 * Leaves in node_modules what the service runs with: without development packages, but with the
 * optional peers, in the versions of the lock file. The images are made so.
 */
import { mustRun } from './setup/run.mjs';
import { packageJson } from './setup/files.mjs';
import { main } from './setup/report.mjs';

const { peerDependencies, devDependencies } = packageJson;
const peers = Object.keys(peerDependencies).map((name) => `${name}@${devDependencies[name]}`);

await main(async () => {
  await mustRun('prune', 'npm', ['install', '--no-save', '--save-prod', '--omit=dev', ...peers], {
    failure: 'npm could not remove the development packages',
  });
});
