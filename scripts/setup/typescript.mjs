import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fingerprint, isFile, readStamp, root, stateDir, writeStamp } from './files.mjs';
import { mustRun } from './run.mjs';

const stampFile = join(stateDir, 'typescript.json');

export async function buildTypeScript(step) {
  const sources = fingerprint([
    ...['src', 'scripts/build-ts.mjs', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'],
  ]);
  const done = readStamp(stampFile).sources === sources && isFile(join(root, 'dist/index.js'));
  if (done) return { text: 'ok (already done)' };

  step.doing('tsc');
  const partial = join(root, 'dist.partial');
  rmSync(partial, { recursive: true, force: true });
  await mustRun('typescript', process.execPath, [join(root, 'scripts/build-ts.mjs'), partial], {
    failure: 'The TypeScript build failed',
    mend: 'Mend what the compiler names, then run: npm run build',
  });
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  renameSync(partial, join(root, 'dist'));
  mkdirSync(stateDir, { recursive: true });
  writeStamp(stampFile, { sources });
  return { text: 'ok' };
}
