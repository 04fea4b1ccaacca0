/** docs/adding-things.md says where things are added; this keeps it true. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { apiDocument } from '../src/http/openapi.js';
import { jobOptions, separatedName } from '../src/options.js';
import { oxboard } from './support/cli.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = readFileSync(join(root, 'docs/adding-things.md'), 'utf8');

describe('docs/adding-things.md', () => {
  it('names files that exist', () => {
    const paths = [...page.matchAll(/`((?:src|test|docs)\/[\w./-]*)/g)].map(([, path]) => path!);
    assert.ok(paths.length > 10);
    assert.deepEqual(
      paths.filter((path) => !existsSync(join(root, path))),
      [],
    );
  });

  it('names functions and values that the files beside them have', () => {
    const rows = [...page.matchAll(/`(src\/[\w./-]+\.ts)`: ((?:`\w+`(?:,| or| and|, and)? ?)+)/g)];
    assert.ok(rows.length >= 3);
    for (const [, file, names = ''] of rows) {
      const source = readFileSync(join(root, file!), 'utf8');
      for (const [, name] of names.matchAll(/`(\w+)`/g)) {
        assert.match(source, new RegExp(`export (const|function|class) ${name!}\\b`), file);
      }
    }
  });

  it('is right that an option of src/options.ts is a flag and a field of the form', async () => {
    const help = (await oxboard(['separate', '--help'])).stdout;
    const form = JSON.stringify(apiDocument('1', { keyed: false }));
    for (const name of Object.keys(jobOptions.shape)) {
      assert.ok(help.includes(`--${separatedName(name, '-')} `), `no flag for ${name}`);
      const field = name === 'format' ? 'output_format' : separatedName(name, '_');
      assert.ok(form.includes(`"${field}"`), `no field for ${name}`);
    }
  });
});
