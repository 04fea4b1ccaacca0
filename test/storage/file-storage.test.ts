import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { openStorage } from '../../src/storage/open.js';
import { temporaryFolder } from '../support/audio.js';
import { smallDisk, unmountSmallDisks } from '../support/small-disk.js';
import { storageContract } from './contract.js';

storageContract('a folder', (context) => {
  const dataDir = temporaryFolder(context);
  return Promise.resolve({ open: () => openStorage({ storageUrl: undefined, dataDir }) });
});

describe('a folder as storage', () => {
  const openIn = (folder: string) =>
    openStorage({ storageUrl: pathToFileURL(folder).href, dataDir: '/nowhere' });

  it('keeps no empty folders and no temporaries', async (context) => {
    const folder = temporaryFolder(context);
    const storage = await openIn(folder);
    await storage.putBytes('results/a/b/c', Buffer.from('x'));
    await storage.putBytes('results/a/d', Buffer.from('x'));
    assert.deepEqual(readdirSync(folder), ['results']);
    await storage.remove('results/a/b/c');
    assert.deepEqual(readdirSync(path.join(folder, 'results', 'a')), ['d']);
    await storage.removeAll('results/a');
    assert.deepEqual(readdirSync(folder), []);
  });

  it('says that it cannot be used when reading fails in the middle', async (context) => {
    // Reading the first page of this file is an error of input and output.
    const broken = '/proc/self/mem';
    if (!existsSync(broken)) return;
    const folder = temporaryFolder(context);
    const storage = await openIn(folder);
    symlinkSync(broken, path.join(folder, 'a'));
    await assert.rejects(async () => buffer(await storage.read('a')), {
      code: 'STORAGE_UNAVAILABLE',
    });
  });

  it('takes a file from another disk', async (context) => {
    const memory = '/dev/shm';
    if (!existsSync(memory)) return;
    const elsewhere = mkdtempSync(path.join(memory, 'oxboard-test-'));
    context.after(() => rmSync(elsewhere, { recursive: true }));
    const folder = temporaryFolder(context);
    const storage = await openIn(folder);
    const file = path.join(elsewhere, 'song');
    writeFileSync(file, 'song');
    await storage.putFile('uploads/a', file);
    assert.equal((await storage.stat('uploads/a'))?.sizeBytes, 4);
    assert.ok(!existsSync(file));
    assert.deepEqual(readdirSync(folder), ['uploads']);
  });

  it('removes what a killed process had begun, and nothing of one that lives', async (context) => {
    const folder = temporaryFolder(context);
    const living = await openIn(folder);
    const writer = fileURLToPath(new URL('writer.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', writer, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    const begun = () => readdirSync(folder).filter((name) => name.startsWith('.'));
    assert.equal(begun().length, 1);
    await openIn(folder);
    assert.equal(begun().length, 1, 'its process lives');

    child.kill('SIGKILL');
    await once(child, 'close');
    await openIn(folder);
    assert.deepEqual(begun(), []);
    await living.putBytes('a', Buffer.from('x'));
  });

  it('says so when it cannot be used', async (context) => {
    const folder = temporaryFolder(context);
    const storage = await openIn(path.join(folder, 'storage'));
    rmSync(path.join(folder, 'storage'), { recursive: true });
    writeFileSync(path.join(folder, 'storage'), 'a file is in the way');
    const unavailable = { code: 'STORAGE_UNAVAILABLE', message: /STORAGE_URL/ };
    await assert.rejects(storage.check(), unavailable);
    await assert.rejects(storage.putBytes('a/b', Buffer.from('x')), unavailable);
    await assert.rejects(openIn(path.join(folder, 'storage')), unavailable);
    await assert.rejects(storage.stat('a/b'), unavailable, 'not that there is no such object');
    await assert.rejects(storage.read('a/b'), unavailable);

    rmSync(path.join(folder, 'storage'));
    mkdirSync(path.join(folder, 'storage'));
    await storage.putBytes('a/b', Buffer.from('x'));
  });

  it('says that its disk is full, keeps the caller’s file and goes on when there is room', async (context) => {
    context.after(unmountSmallDisks);
    const folder = temporaryFolder(context);
    const disk = smallDisk(folder, 'disk', 1);
    if (disk === undefined) return; // only root can make one
    const storage = await openIn(disk);
    const file = path.join(folder, 'song');
    writeFileSync(file, Buffer.alloc(700_000));
    await storage.putFile('a/1', file);
    writeFileSync(file, Buffer.alloc(700_000));
    const full = { code: 'DISK_FULL', message: /The disk of the storage is full/ };
    await assert.rejects(storage.putFile('a/2', file), full);
    await assert.rejects(storage.putBytes('a/3', Buffer.alloc(700_000)), full);
    assert.ok(existsSync(file));
    assert.deepEqual(readdirSync(disk), ['a']);
    assert.equal(await storage.stat('a/2'), undefined);

    await storage.remove('a/1');
    await storage.putFile('a/2', file);
    assert.equal((await storage.stat('a/2'))?.sizeBytes, 700_000);
  });

  it('refuses a URL that is no folder of this machine', async () => {
    await assert.rejects(openStorage({ storageUrl: 'file://elsewhere/x', dataDir: '/nowhere' }), {
      code: 'INVALID_ENVIRONMENT',
      message: /STORAGE_URL/,
    });
  });
});
