/**
 * What every storage promises, whatever it is made of.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import type { Storage } from '../../src/storage/storage.js';
import { temporaryFolder } from '../support/audio.js';

/** @param openNew an empty storage; `open` again gives what another process would see of it. */
export function storageContract(
  name: string,
  openNew: (context: TestContext) => Promise<{ open: () => Promise<Storage> }>,
): void {
  const setting = async (context: TestContext) => {
    const { open } = await openNew(context);
    const folder = temporaryFolder(context);
    const file = (text: string, fileName = 'file') => {
      const place = path.join(folder, fileName);
      writeFileSync(place, text);
      return place;
    };
    const storage = await open();
    const text = async (key: string, range?: { start: number; end: number }) =>
      (await buffer(await storage.read(key, range))).toString();
    const keys = async (prefix = '') => {
      const found: string[] = [];
      for await (const { key } of storage.list(prefix)) found.push(key);
      return found;
    };
    return { storage, open, folder, file, text, keys };
  };
  const bytes = (value: string) => Buffer.from(value);

  describe(`${name} as storage`, () => {
    it('takes a file over, and any process reads it whole and in ranges', async (context) => {
      const { storage, open, file, text } = await setting(context);
      const local = file('0123456789');
      const before = Date.now();
      await storage.putFile('results/a/vocals.wav', local);
      assert.ok(!existsSync(local));
      assert.equal(await text('results/a/vocals.wav'), '0123456789');
      assert.equal(await text('results/a/vocals.wav', { start: 2, end: 4 }), '234');
      assert.equal(await text('results/a/vocals.wav', { start: 9, end: 9 }), '9');

      const seen = await (await open()).stat('results/a/vocals.wav');
      assert.equal(seen?.key, 'results/a/vocals.wav');
      assert.equal(seen.sizeBytes, 10);
      assert.ok(Math.abs(seen.modifiedAt.getTime() - before) < 60_000);
    });

    it('copies a file, or a range of it, and leaves it as it is', async (context) => {
      const { storage, file, text } = await setting(context);
      const local = file('0123456789');
      await storage.putCopy('whole', local);
      await storage.putCopy('middle', local, { start: 2, end: 4 });
      await storage.putCopy('last', local, { start: 9, end: 9 });
      await storage.putCopy('empty', file('', 'empty'));
      assert.deepEqual(
        await Promise.all(['whole', 'middle', 'last', 'empty'].map((key) => text(key))),
        ['0123456789', '234', '9', ''],
      );
      assert.equal(readFileSync(local, 'utf8'), '0123456789');

      const large = 'oxboard '.repeat(2_000_000);
      await storage.putCopy('large', file(large), { start: 1, end: 15_999_998 });
      assert.ok((await text('large')) === large.slice(1, -1));
      await assert.rejects(storage.putCopy('none', '/nowhere/at/all'), { code: 'ENOENT' });
    });

    it('holds empty objects and large ones', async (context) => {
      const { storage, file, text } = await setting(context);
      await storage.putBytes('empty', bytes(''));
      assert.equal((await storage.stat('empty'))?.sizeBytes, 0);
      assert.equal(await text('empty'), '');
      const large = 'oxboard '.repeat(500_000);
      await storage.putFile('large', file(large));
      assert.equal(await text('large'), large);
      assert.equal(await text('large', { start: 3_999_990, end: 3_999_999 }), 'd oxboard ');
    });

    it('replaces an object, and one that is being read stays what it was', async (context) => {
      const { storage, text } = await setting(context);
      await storage.putBytes('a/b', bytes('old'));
      const begun = await storage.read('a/b');
      await storage.putBytes('a/b', bytes('newer'));
      assert.equal((await buffer(begun)).toString(), 'old');
      assert.equal(await text('a/b'), 'newer');
      assert.equal((await storage.stat('a/b'))?.sizeBytes, 5);
    });

    it('says that an object is not there', async (context) => {
      const { storage } = await setting(context);
      await storage.putBytes('a/b', bytes('x'));
      for (const key of ['c', 'a', 'a/c', 'a/b/c']) {
        assert.equal(await storage.stat(key), undefined, key);
        await assert.rejects(storage.read(key), { name: 'ObjectNotFound', code: 'ENOENT' }, key);
      }
    });

    it('lists keys in their order, by any beginning', async (context) => {
      const { storage, keys } = await setting(context);
      const all = ['a-b/1', 'a.b', 'a/1', 'a/2/x', 'a/2/y', 'a/20', 'a0', 'b'];
      for (const key of [...all].reverse()) await storage.putBytes(key, bytes(key));
      assert.deepEqual(await keys(), all);
      assert.deepEqual(await keys('a/'), ['a/1', 'a/2/x', 'a/2/y', 'a/20']);
      assert.deepEqual(await keys('a/2'), ['a/2/x', 'a/2/y', 'a/20']);
      assert.deepEqual(await keys('a/2/'), ['a/2/x', 'a/2/y']);
      assert.deepEqual(await keys('a/2/x'), ['a/2/x']);
      assert.deepEqual(await keys('c/'), []);
    });

    it('removes an object, or all below a name and nothing beside it', async (context) => {
      const { storage, keys } = await setting(context);
      for (const key of ['r/1/a', 'r/1/b', 'r/1/c/d', 'r/10/a', 'r/2']) {
        await storage.putBytes(key, bytes(key));
      }
      await storage.remove('r/1/a');
      await storage.remove('r/1/a');
      await storage.remove('r/1/c');
      assert.deepEqual(await keys(), ['r/1/b', 'r/1/c/d', 'r/10/a', 'r/2']);
      await storage.removeAll('r/1');
      await storage.removeAll('r/1');
      await storage.removeAll('nothing');
      assert.deepEqual(await keys(), ['r/10/a', 'r/2']);
    });

    it('survives puts and removals at the same time', async (context) => {
      const { storage, open, text, keys } = await setting(context);
      const other = await open();
      const rounds = Array.from({ length: 60 }, (_, round) => String(round));
      await Promise.all([
        ...rounds.map((round) => storage.putBytes(`jobs/one/${round}`, bytes(round))),
        ...rounds.map(() => other.remove('jobs/one/0')),
        ...rounds.map(() => other.removeAll('jobs/one')),
        ...rounds.map(async () => {
          for await (const { sizeBytes } of other.list('jobs/')) assert.ok(sizeBytes > 0);
        }),
      ]);
      await storage.putBytes('jobs/one/last', bytes('x'));
      for (const key of await keys('jobs/')) assert.ok((await text(key)).length > 0);
      await storage.removeAll('jobs');
      assert.deepEqual(await keys(), []);
    });

    it('shows whole objects only while they are put', async (context) => {
      const { storage, open } = await setting(context);
      const other = await open();
      const large = Buffer.alloc(8_000_000, 'x');
      const look = async () => {
        for await (const { sizeBytes } of other.list('')) assert.equal(sizeBytes, large.length);
      };
      for (let round = 0; round < 5; round++) {
        const put = storage.putBytes(`p/${round % 2}`, large);
        while (!(await Promise.race([put.then(() => true), look()])));
        await put;
      }
    });

    it('stops when it is aborted, with the reason, and leaves nothing', async (context) => {
      const { storage, file, keys } = await setting(context);
      const reason = new Error('enough');
      const signal = AbortSignal.abort(reason);
      const local = file('song');
      await assert.rejects(storage.putFile('a', local, signal), reason);
      await assert.rejects(storage.putCopy('a', local, { start: 1, end: 2 }, signal), reason);
      await assert.rejects(storage.putBytes('b', bytes('x'), signal), reason);
      assert.deepEqual(await keys(), []);
      assert.ok(existsSync(local));
    });

    it('takes no key that could mean another place', async (context) => {
      const { storage, folder } = await setting(context);
      const outside = { code: 'INTERNAL' };
      for (const key of [
        '',
        '/',
        '/etc/passwd',
        '..',
        '../a',
        'a/../b',
        'a//b',
        'a/',
        './a',
        '.a',
        'a\\b',
        'a\0b',
        'a b',
        'é',
        'x'.repeat(300),
      ]) {
        await assert.rejects(storage.putBytes(key, bytes('x')), outside, key);
        await assert.rejects(storage.putFile(key, path.join(folder, 'none')), outside, key);
        await assert.rejects(storage.putCopy(key, path.join(folder, 'none')), outside, key);
        await assert.rejects(storage.stat(key), outside, key);
        await assert.rejects(storage.read(key), outside, key);
        await assert.rejects(storage.remove(key), outside, key);
        await assert.rejects(storage.removeAll(key), outside, key);
      }
      for (const prefix of ['/', '..', '../', 'a/../', 'a//', '.']) {
        await assert.rejects(async () => {
          for await (const { key } of storage.list(prefix)) assert.fail(key);
        }, outside);
      }
    });

    it('can be written when it says so', async (context) => {
      const { storage, keys } = await setting(context);
      await storage.check();
      assert.deepEqual(await keys(), []);
    });
  });
}
