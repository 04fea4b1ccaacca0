/** Checks of what set-up downloads. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { sha256Hex } from '../../src/lib/hash.js';
import { temporaryFolder } from '../support/audio.js';

interface Step {
  note: (text: string) => void;
}
type Check = (
  file: string,
  expected: string | undefined,
  step: Step,
) => Promise<string | undefined>;
const load = async (name: string): Promise<Record<string, Check>> =>
  (await import(new URL(`../../scripts/setup/${name}.mjs`, import.meta.url).href)) as Record<
    string,
    Check
  >;
const { checkWheel } = await load('wheel');
const { checkArchive } = await load('libtorch');

const folder = temporaryFolder({ after });
const NAME = 'torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl';
const ADDRESS = `https://index.example/torch-2.13.0%2Bcpu-cp311-cp311-linux_x86_64.whl`;
const file = path.join(folder, NAME);
writeFileSync(file, 'a wheel');
const sha256 = sha256Hex('a wheel');
const other = sha256Hex('another wheel');

const notes: string[] = [];
const step: Step = { note: (text) => notes.push(text) };

/** Checks the wheel after pip has logged that it found such links. */
async function check(...links: string[]): Promise<string | undefined> {
  const log = path.join(folder, 'pip.log');
  writeFileSync(
    log,
    links.map((link) => `2026-01-01T00:00:00,000   Found link ${link}\n`).join(''),
  );
  return checkWheel?.(file, log, step);
}

describe('the wheel of torch', () => {
  it('is compared with the checksum in its link', async () => {
    const page = '(from https://index.example/torch/), version: 2.13.0+cpu';
    assert.equal(await check(`${ADDRESS}#sha256=${sha256} ${page}`), undefined);
    assert.equal(notes.at(-1), `${NAME}: SHA-256 ${sha256}, as its package index says`);
    const flaw = await check(`${ADDRESS}#sha256=${other} ${page}`);
    assert.match(flaw ?? '', new RegExp(`is ${sha256} instead of ${other}`));
  });

  it('is compared with the checksum on a page in JSON', async () => {
    let named = sha256;
    const server = createServer((_request, response) =>
      response.end(JSON.stringify({ files: [{ filename: NAME, hashes: { sha256: named } }] })),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const found = `${ADDRESS} (from http://127.0.0.1:${String(port)}/torch/) (requires-python:>=3.10)`;
    try {
      assert.equal(await check(found), undefined);
      assert.match(notes.at(-1) ?? '', /as its package index says$/);
      named = other;
      assert.match((await check(found)) ?? '', /instead of/);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });

  it('is not said to be checked when no index names a checksum', async () => {
    const neighbor = `https://index.example/other.whl#sha256=${other} (from https://index.example/)`;
    assert.equal(await check(neighbor), undefined);
    assert.match(notes.at(-1) ?? '', /no index names one to compare it with$/);
  });
});

describe('the official archive', () => {
  it('is compared with its pinned checksum, where there is one', async () => {
    assert.equal(await checkArchive?.(file, sha256, step), undefined);
    assert.match(notes.at(-1) ?? '', /as pinned$/);
    assert.match((await checkArchive?.(file, other, step)) ?? '', /instead of/);
    assert.equal(await checkArchive?.(file, undefined, step), undefined);
    assert.match(notes.at(-1) ?? '', /none is pinned to compare it with$/);
  });
});
