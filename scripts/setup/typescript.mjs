import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import {
  filesUnder,
  fingerprint,
  isFile,
  readStamp,
  root,
  stateDir,
  writeStamp,
} from './files.mjs';
import { mustRun } from './run.mjs';

const stampFile = join(stateDir, 'typescript.json');
const src = join(root, 'src');
const dist = join(root, 'dist');
/** The page has a build of its own: page.mjs. */
const page = 'web';

/** Files of Swagger UI, which shows the description of the API. */
const SWAGGER_UI = [
  'LICENSE',
  'NOTICE',
  'favicon-32x32.png',
  'swagger-ui-bundle.js',
  'swagger-ui-bundle.js.LICENSE.txt',
  'swagger-ui.css',
];

const isOfPage = (name) => name.startsWith(`${page}${sep}`);

/** Builds dist/ from src/: compiles what changed, copies other files, removes what has no source. */
export async function buildTypeScript(step) {
  const sources = fingerprint(['src', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json']);
  const done = readStamp(stampFile).sources === sources && isFile(join(dist, 'index.js'));
  if (done) return { text: 'ok (already done)' };

  step.doing('tsc');
  rmSync(stampFile, { force: true });
  const require = createRequire(join(root, 'package.json'));
  await mustRun(
    'typescript',
    process.execPath,
    [require.resolve('typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json')],
    {
      failure: 'The TypeScript build failed',
      mend: 'Mend what the compiler names, then run: npm run build',
    },
  );
  const outputs = new Set([join(dist, '.tsbuildinfo')]);
  const copy = (file, output) => {
    mkdirSync(dirname(output), { recursive: true });
    copyFileSync(file, output);
    outputs.add(output);
  };
  const swagger = dirname(require.resolve('swagger-ui-dist/package.json'));
  for (const name of SWAGGER_UI) copy(join(swagger, name), join(dist, 'swagger-ui', name));
  for (const file of filesUnder(src)) {
    const name = relative(src, file);
    if (isOfPage(name)) continue;
    const output = join(dist, name);
    if (file.endsWith('.ts')) {
      for (const ending of ['.js', '.d.ts']) outputs.add(output.replace(/\.ts$/, ending));
    } else {
      copy(file, output);
    }
  }
  for (const file of filesUnder(dist))
    if (!outputs.has(file) && !isOfPage(relative(dist, file))) rmSync(file);
  mkdirSync(stateDir, { recursive: true });
  writeStamp(stampFile, { sources });
  return { text: 'ok' };
}
