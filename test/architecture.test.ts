/** Dependencies inside src point one way. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative, sep } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const src = fileURLToPath(new URL('../src', import.meta.url));

/** What each part of src may import, besides itself and packages: other parts, or single files of them. */
const ALLOWED: Record<string, string[]> = {
  errors: [],
  options: ['errors'],
  'model-options': ['errors', 'options'],
  config: ['errors', 'options', 'lib'],
  lib: ['errors'],
  network: ['errors'],
  native: ['errors', 'lib'],
  observability: ['lib'],
  models: ['errors', 'lib'],
  engine: ['errors', 'options', 'model-options', 'lib', 'models', 'native'],
  pull: ['errors', 'options', 'lib', 'models', 'native', 'engine'],
  audio: ['errors', 'options', 'lib'],
  separation: [
    'errors',
    'options',
    'model-options',
    'lib',
    'audio',
    'engine/audio-source',
    'engine/stem-plan',
  ],
  intake: ['errors', 'options', 'lib', 'network', 'audio'],
  storage: ['errors', 'lib'],
  // The types of a trace, of the options and of a license are part of what jobs and workers record.
  jobs: ['errors', 'options', 'model-options', 'models/license', 'observability/tracing'],
  redis: ['errors', 'lib', 'observability'],
  queue: ['errors', 'lib', 'jobs', 'redis', 'storage', 'observability'],
  worker: [
    'errors',
    'options',
    'model-options',
    'lib',
    'models',
    'engine',
    'audio',
    'separation',
    'storage',
    'jobs',
    'observability',
  ],
  webhooks: ['errors', 'lib', 'network', 'jobs', 'observability'],
  http: [
    'errors',
    'options',
    'model-options',
    'config',
    'lib',
    'audio',
    'jobs',
    'storage',
    'observability',
    // What is told of a license; the models themselves are the workers'.
    'models/license',
    // What links are accepted; what fetches them is no part of the API.
    'intake/youtube/url',
    'intake/source-url/url',
    // What a callback URL may be; what posts to it is no part of the API.
    'webhooks/callback-url',
  ],
  // Types alone: it runs in browsers.
  client: ['http'],
  // What the page says of a license and how it counts is the same on the command line.
  web: ['client', 'models/license-text', 'lib/format'],
  // Files for those who embed the engine.
  library: ['options', 'audio', 'engine', 'separation'],
  index: ['errors', 'options', 'models', 'audio', 'engine', 'separation', 'library'],
};

/** The part of src to which a file belongs: its folder, or its name without extension. */
function partOf(file: string): string {
  const [first = ''] = relative(src, file).split(sep);
  return first.replace(/\.[jt]sx?$/, '');
}

const nameOf = (file: string): string =>
  relative(src, file)
    .replace(/\.[jt]sx?$/, '')
    .replaceAll(sep, '/');

function imports(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const paths = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(
    ([, path]) => path ?? '',
  );
  return paths.map((path) => normalize(join(dirname(file), path)));
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.tsx?$/.test(name))
  .map((name) => join(src, name));

void test('every part of src imports only what lies below it', () => {
  const wrong: string[] = [];
  for (const file of files) {
    const part = partOf(file);
    if (part === 'bin') continue; // the composition roots import everything
    const allowed = ALLOWED[part];
    assert.ok(allowed, `src/${part} has no rule: add it to ALLOWED`);
    for (const target of imports(file)) {
      const names = [partOf(target), nameOf(target)];
      if (names[0] !== part && !names.some((name) => allowed.includes(name)))
        wrong.push(`${file} imports ${nameOf(target)}`);
    }
  }
  assert.deepEqual(wrong, []);
});

void test('the rules are about parts that exist, and each is in use', () => {
  const used = new Map<string, Set<string>>();
  for (const file of files) {
    const names = used.get(partOf(file)) ?? new Set<string>();
    used.set(partOf(file), names);
    for (const target of imports(file)) names.add(partOf(target)).add(nameOf(target));
  }
  const idle = Object.entries(ALLOWED).flatMap(([part, allowed]) =>
    allowed.filter((name) => !used.get(part)?.has(name)).map((name) => `${part} -> ${name}`),
  );
  assert.deepEqual(
    Object.keys(ALLOWED).filter((part) => !used.has(part)),
    [],
  );
  assert.deepEqual(idle, []);
});

/** Every cycle that a walk from file to imported file meets, as a line of names. */
function cycles(): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const at = path.indexOf(file);
    if (at >= 0) found.push([...path.slice(at), file].map(nameOf).join(' -> '));
    if (at >= 0 || done.has(file)) return;
    path.push(file);
    for (const target of imports(file)) {
      const source = target.replace(/\.js$/, '.ts');
      const found = [source, `${source}x`].find((name) => files.includes(name));
      if (found) visit(found);
    }
    path.pop();
    done.add(file);
  };
  for (const file of files) visit(file);
  return found;
}

void test('no file imports itself, by whatever way round', () => {
  assert.deepEqual(cycles(), []);
});

void test('the AWS SDK is loaded for a bucket as storage, and not otherwise', () => {
  const users = (what: RegExp) =>
    files.filter((file) => what.test(readFileSync(file, 'utf8'))).map(nameOf);
  const clients = users(/from '(@aws-sdk|@tus\/s3)/);
  for (const name of clients) assert.match(name, /^storage\/s3-/);
  assert.deepEqual(
    users(/^import .* from '.*\/s3-[\w-]+\.js'/m).filter((name) => !clients.includes(name)),
    [],
    'others import it when it is asked for',
  );
});

void test('the client is whole without the service', () => {
  const values = /^(?:import|export) (?!type )[^;]*? from '(?:\.\.\/|node:)/m;
  const users = files.filter(
    (file) => partOf(file) === 'client' && values.test(readFileSync(file, 'utf8')),
  );
  assert.deepEqual(users.map(nameOf), []);
});

void test('only native.ts loads the binary', () => {
  const loaders = files.filter((file) =>
    readFileSync(file, 'utf8').includes(')(file) as NativeBinding'),
  );
  assert.deepEqual(loaders.map(partOf), ['native']);
});
