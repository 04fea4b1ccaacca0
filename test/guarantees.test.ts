/** docs/guarantees.md names a test for each promise; this keeps the names true. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';

const page = new URL('../docs/guarantees.md', import.meta.url);

it('docs/guarantees.md names only tests that exist, and one for each promise', () => {
  const text = readFileSync(page, 'utf8');
  const links = [...text.matchAll(/\[([\w.-]+)\]\((\.\.\/test\/[^)]+)\)/g)];
  for (const [, name = '', target = ''] of links) {
    assert.ok(target.endsWith(`/${name}`), target);
    assert.ok(existsSync(fileURLToPath(new URL(target, page))), `${target} does not exist`);
  }
  const promises = text.split('\n').filter((line) => /^\| (?!Promise|Setting|---)/.test(line));
  assert.ok(promises.length >= 20);
  const shown = promises.filter((line) => line.includes('.test.ts'));
  // What a Redis of the operator's own keeps is theirs to test.
  assert.deepEqual(
    promises.filter((line) => !shown.includes(line) && !line.includes('REDIS_URL')),
    [],
  );
});
