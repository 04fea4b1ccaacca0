/**
 * Compiles src into a folder, dist by default, and copies what the compiler leaves out: the Lua scripts.
 *
 * usage: node scripts/build-ts.mjs [folder]
 */
import { spawnSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { root } from './setup/files.mjs';

const out = resolve(root, process.argv[2] ?? 'dist');
const tsc = createRequire(join(root, 'package.json')).resolve('typescript/bin/tsc');
const { status } = spawnSync(
  process.execPath,
  [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', out],
  { stdio: 'inherit' },
);
process.exitCode = status ?? 1;
if (status === 0) {
  cpSync(join(root, 'src/queue/lua'), join(out, 'queue/lua'), { recursive: true });
}
