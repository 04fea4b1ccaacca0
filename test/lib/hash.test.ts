import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sha256Hex, sha256OfFile } from '../../src/lib/hash.js';

const SHA256_OF_ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

describe('SHA-256', () => {
  let folder: string;
  let file: string;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'hash-'));
    file = path.join(folder, 'abc');
    await writeFile(file, 'abc');
  });
  after(() => rm(folder, { recursive: true }));

  it('is the same for a text, bytes and a file', async () => {
    assert.equal(sha256Hex('abc'), SHA256_OF_ABC);
    assert.equal(sha256Hex(Buffer.from('abc')), SHA256_OF_ABC);
    assert.equal(await sha256OfFile(file), SHA256_OF_ABC);
  });

  it('stops with the reason of its signal', async () => {
    const reason = new Error('stopped');
    await assert.rejects(sha256OfFile(file, { signal: AbortSignal.abort(reason) }), reason);
  });

  it('fails as the file system does', async () => {
    await assert.rejects(sha256OfFile(`${file}.gone`), { code: 'ENOENT' });
  });
});
