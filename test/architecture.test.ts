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
  disk: ['errors'],
  'process-folder': [],
  network: ['errors'],
  config: ['errors', 'options'],
  options: ['errors'],
  source: [],
  native: ['errors'],
  models: ['errors', 'options', 'disk'],
  engine: ['errors', 'options', 'source', 'models', 'native'],
  audio: ['errors', 'options', 'source', 'disk', 'network'],
  separation: ['errors', 'options', 'source', 'audio', 'process-folder'],
  storage: ['errors', 'disk', 'process-folder'],
  observability: ['errors'],
  queue: [
    'errors',
    'disk',
    'options',
    'source',
    'models',
    'engine',
    'audio',
    'separation',
    'storage',
    'observability',
    'process-folder',
  ],
  http: [
    'errors',
    'options',
    'config',
    'disk',
    'process-folder',
    'audio',
    // Which stems a request asks for: a pure function, without what separates them.
    'separation/stem-plan',
    'queue/job',
    'queue/ports',
    'storage',
    'observability',
    // What a callback URL may be; what posts to it is no part of the API.
    'webhooks/callback-url',
  ],
  webhooks: ['errors', 'network', 'queue/job', 'queue/ports', 'observability'],
  index: ['errors', 'options', 'source', 'models', 'engine', 'audio'],
};

/** The part of src to which a file belongs: its folder, or its name without extension. */
function partOf(file: string): string {
  const [first = ''] = relative(src, file).split(sep);
  return first.replace(/\.[jt]s$/, '');
}

const nameOf = (file: string): string =>
  relative(src, file)
    .replace(/\.[jt]s$/, '')
    .replaceAll(sep, '/');

function imports(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const paths = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(
    ([, path]) => path ?? '',
  );
  return paths.map((path) => normalize(join(dirname(file), path)));
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
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

void test('the rules are about parts that exist', () => {
  const parts = new Set(files.map(partOf));
  assert.deepEqual(
    Object.keys(ALLOWED).filter((part) => !parts.has(part)),
    [],
  );
});

void test('the AWS SDK is loaded for a bucket as storage, and not otherwise', () => {
  const users = (what: RegExp) =>
    files.filter((file) => what.test(readFileSync(file, 'utf8'))).map(nameOf);
  const clients = users(/@aws-sdk/);
  for (const name of clients) assert.match(name, /^storage\/s3-/);
  assert.deepEqual(
    users(/^import .* from '.*\/s3-[\w-]+\.js'/m).filter((name) => !clients.includes(name)),
    [],
    'others import it when it is asked for',
  );
});

void test('only native.ts loads the binary', () => {
  const loaders = files.filter((file) => readFileSync(file, 'utf8').includes('oxboard.node'));
  assert.deepEqual(loaders.map(partOf), ['native']);
});
