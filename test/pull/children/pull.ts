/** A process that pulls: arguments are the models folder, the source, the model, and `slow`. */
import { setTimeout as sleep } from 'node:timers/promises';
import { pullModel } from '../../../src/pull/pull.js';
import { quickPull } from '../../support/pull.js';

const [modelsDir = '', source = '', name = '', slow = ''] = process.argv.slice(2);
const { assemble, verify, ...options } = quickPull(name);
const pause = slow === 'slow' ? 40 : 0;

async function main(): Promise<void> {
  const { pulled } = await pullModel(name, {
    ...options,
    modelsDir,
    source,
    async assemble(task) {
      await sleep(pause);
      return assemble(task);
    },
    async verify(...task) {
      await sleep(pause);
      await verify(...task);
    },
    onNotice: (notice) => process.stderr.write(`${notice}\n`),
  });
  process.stdout.write(pulled ? 'pulled' : 'there');
}

main().catch((error: unknown) => {
  process.stderr.write(String(error));
  process.exitCode = 1;
});
