/** Files that are made from others say what these say. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { generatedFiles } from '../scripts/generate.js';

const root = new URL('../', import.meta.url);

describe('a generated file', () => {
  for (const [file, content] of Object.entries(generatedFiles())) {
    it(`${file} is up to date`, () => {
      const found = readFileSync(fileURLToPath(new URL(file, root)), 'utf8');
      assert.equal(found, content, `${file} is out of date. Run: npm run generate`);
    });
  }
});
