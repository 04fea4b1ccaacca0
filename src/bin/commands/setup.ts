/**
 * `oxboard setup`: what `npm run demo` and `npm test` do first.
 */
import { Command } from 'commander';
import { importSetup, runScript } from '../scripts.js';

export function setupCommand(): Command {
  return new Command('setup')
    .description(
      'install the system tools and libtorch, and build the native addon; safe to repeat',
    )
    .option('--cuda', 'take the CUDA build of libtorch')
    .action(async ({ cuda = false }: { cuda?: boolean }) => {
      await runScript('SETUP_FAILED', async () => {
        const { setup } = await importSetup();
        await setup({ cuda });
      });
    });
}
