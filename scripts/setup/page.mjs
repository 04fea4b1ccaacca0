import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fingerprint, isFile, readStamp, root, stateDir, writeStamp } from './files.mjs';
import { mustRun } from './run.mjs';

const stampFile = join(stateDir, 'page.json');

/** The page's configuration for Vite. */
export const viteConfig = join(root, 'src/web/vite.config.ts');

/** Vite's command line. */
export const viteProgram = () =>
  join(
    dirname(createRequire(join(root, 'package.json')).resolve('vite/package.json')),
    'bin/vite.js',
  );

/** Builds dist/web from src/web and what it imports. */
export async function buildPage(step) {
  const sources = fingerprint(['src/web', 'src/client', 'package-lock.json']);
  const done =
    readStamp(stampFile).sources === sources && isFile(join(root, 'dist/web/index.html'));
  if (done) return { text: 'ok (already done)' };

  step.doing('vite');
  await mustRun(
    'page',
    process.execPath,
    [viteProgram(), 'build', '--config', viteConfig, '--logLevel', 'warn'],
    {
      failure: 'The build of the page failed',
      mend: 'Correct what Vite names, then run: npm run build',
    },
  );
  mkdirSync(stateDir, { recursive: true });
  writeStamp(stampFile, { sources });
  return { text: 'ok' };
}
