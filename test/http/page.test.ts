/** The page at the root of the service, as files and headers. test/browser tries it in a browser. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { startApi } from '../support/api.js';

const { url } = await startApi({ after });
const index = await fetch(`${url}/`);
const html = await index.text();
const references = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path ?? '');

void describe('the page', () => {
  it('is at the root, and asked for anew each time', () => {
    assert.equal(index.status, 200);
    assert.match(index.headers.get('content-type') ?? '', /^text\/html/);
    assert.equal(index.headers.get('cache-control'), 'no-cache');
  });

  it('names its files relative to itself, and they can be kept for ever', async () => {
    assert.ok(references.length >= 3);
    for (const path of references) {
      assert.match(path, /^\.\/assets\//, 'a page below BASE_PATH finds it as well');
      const file = await fetch(new URL(path, `${url}/`));
      assert.equal(file.status, 200);
      assert.match(file.headers.get('cache-control') ?? '', /max-age=31536000, immutable/);
      await file.arrayBuffer();
    }
  });

  it('allows scripts and styles of its own origin alone', () => {
    const policy = index.headers.get('content-security-policy') ?? '';
    assert.doesNotMatch(policy, /unsafe-inline|'unsafe-eval'|https?:|\*/);
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /script-src 'self' 'wasm-unsafe-eval'(;|$)/);
    assert.doesNotMatch(html, /<script(?![^>]*src=)|<style|style="/);
  });

  it('leaves paths that are no files to the API', async () => {
    const answer = await fetch(`${url}/nothing`);
    assert.equal(answer.status, 404);
    assert.equal(((await answer.json()) as { code: string }).code, 'PATH_NOT_FOUND');
  });
});
