import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fingerprint, isFile, readStamp, root, stateDir, writeStamp } from './files.mjs';
import { mustRun } from './run.mjs';

const stampFile = join(stateDir, 'typescript.json');

export async function buildTypeScript(step) {
  const sources = fingerprint(['src', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json']);
  const done = readStamp(stampFile).sources === sources && isFile(join(root, 'dist/index.js'));
  if (done) return { text: 'ok (already done)' };

  step.doing('tsc');
  const require = createRequire(join(root, 'package.json'));
  const partial = join(root, 'dist.partial');
  rmSync(partial, { recursive: true, force: true });
  await mustRun(
    'typescript',
    process.execPath,
    [
      require.resolve('typescript/bin/tsc'),
      '-p',
      join(root, 'tsconfig.build.json'),
      '--outDir',
      partial,
    ],
    {
      failure: 'The TypeScript build failed',
      mend: 'Mend what the compiler names, then run: npm run build',
    },
  );
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  renameSync(partial, join(root, 'dist'));
  mkdirSync(stateDir, { recursive: true });
  writeStamp(stampFile, { sources });
  return { text: 'ok' };
}
