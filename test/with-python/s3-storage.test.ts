import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, beforeEach, describe, it } from 'node:test';
import { openStorage } from '../../src/storage/open.js';
import { S3Storage } from '../../src/storage/s3-storage.js';
import { storageContract } from '../storage/contract.js';
import { temporaryFolder } from '../support/audio.js';
import { CREDENTIALS, s3Config, startS3 } from '../support/s3.js';

const s3 = await startS3({ after });
const folder = temporaryFolder({ after });

storageContract('a bucket', async () => {
  const config = s3Config(s3, await s3.bucket());
  return { open: () => openStorage(config) };
});

storageContract('a part of a bucket', async () => {
  const config = s3Config(s3, await s3.bucket(), 'oxboard/service-1');
  return { open: () => openStorage(config) };
});

describe('a bucket as storage', () => {
  beforeEach(() => {
    s3.fault = undefined;
    s3.cuts = [];
    s3.requests = [];
  });
  const place = (bucket: string) => ({ bucket, prefix: '', endpoint: s3.url, region: undefined });
  const impatient = { connectMs: 1_000, idleMs: 200 };
  const large = randomBytes(20_000_000);
  const fileOf = (bytes: Uint8Array) => {
    const file = path.join(folder, 'file');
    writeFileSync(file, bytes);
    return file;
  };

  it('takes a large file in parts, and leaves none when it is stopped', async () => {
    const bucket = await s3.bucket();
    const storage = await openStorage(s3Config(s3, bucket));
    await storage.putFile('results/a', fileOf(large));
    const parts = s3.requests.filter((request) => /^PUT .*partNumber=\d/.test(request));
    assert.equal(parts.length, 3);
    assert.ok((await buffer(await storage.read('results/a'))).equals(large));

    const stop = new AbortController();
    const file = fileOf(large);
    const sending = storage.putFile('results/b', file, stop.signal);
    while (!s3.requests.some((request) => /results\/b.*partNumber/.test(request))) {
      await new Promise(setImmediate);
    }
    stop.abort(new Error('enough'));
    await assert.rejects(sending, { message: 'enough' });
    assert.ok(existsSync(file));
    while (!s3.requests.some((request) => /^DELETE .*results\/b\?.*uploadId/.test(request))) {
      await new Promise(setImmediate);
    }
    assert.equal(await storage.stat('results/b'), undefined);
  });

  it('removes the parts of uploads that nobody ends, a day later', async () => {
    const bucket = await s3.bucket();
    await fetch(`${s3.url}/${bucket}/results/a?uploads`, { method: 'POST' });
    const uploads = async () => (await fetch(`${s3.url}/${bucket}?uploads`)).text();
    await openStorage(s3Config(s3, bucket));
    assert.match(await uploads(), /results\/a/, 'it may still be under way');
    s3.initiated = new Date(Date.now() - 90_000_000);
    await openStorage(s3Config(s3, bucket));
    assert.doesNotMatch(await uploads(), /results\/a/);
  });

  it('goes on reading where a connection broke', async () => {
    const storage = await openStorage(s3Config(s3, await s3.bucket()));
    await storage.putFile('results/a', fileOf(large));
    s3.cuts = [5_000_000, 0, 0, 3_000_000];
    assert.ok((await buffer(await storage.read('results/a'))).equals(large));
    s3.cuts = [1_000];
    const range = { start: 1_000_000, end: 2_999_999 };
    const part = await buffer(await storage.read('results/a', range));
    assert.ok(part.equals(large.subarray(range.start, range.end + 1)));

    s3.cuts = [0, 1_000_000];
    assert.ok((await buffer(await storage.read('results/a'))).equals(large));
  });

  it('gives up reading what keeps breaking, or is another object by now', async () => {
    const storage = await openStorage(s3Config(s3, await s3.bucket()));
    await storage.putFile('results/a', fileOf(large));
    const unavailable = { code: 'STORAGE_UNAVAILABLE' };
    s3.cuts = [1_000, 0, 0, 0, 0];
    await assert.rejects(async () => buffer(await storage.read('results/a')), unavailable);

    s3.cuts = [15_000_000];
    const begun = await storage.read('results/a');
    await storage.putFile('results/a', fileOf(large.subarray(1)));
    await assert.rejects(buffer(begun), unavailable);
  });

  it('ends its connection when nobody reads any more', async () => {
    const storage = await openStorage(s3Config(s3, await s3.bucket()));
    await storage.putFile('results/a', fileOf(large));
    const stop = new AbortController();
    const stream = await storage.read('results/a', undefined, stop.signal);
    const reason = new Error('enough');
    const ended = assert.rejects(buffer(stream), reason);
    stop.abort(reason);
    await ended;
    assert.equal(s3.requests.filter((request) => /^GET .*results/.test(request)).length, 1);
  });

  for (const [fault, code, message] of [
    ['down', 'STORAGE_UNAVAILABLE', /does not answer.*AWS_ENDPOINT_URL/],
    ['silent', 'STORAGE_UNAVAILABLE', /does not answer/],
    ['denied', 'STORAGE_UNAVAILABLE', /denies access \(\w+\).*s3:PutObject/],
    ['full', 'DISK_FULL', /is full/],
  ] as const) {
    it(`says so when it is ${fault}, keeps the caller’s file and goes on later`, async () => {
      const bucket = await s3.bucket();
      const storage = await S3Storage.open(place(bucket), impatient);
      await storage.putBytes('a/b', Buffer.from('x'));
      const file = fileOf(Buffer.from('song'));
      s3.fault = fault;
      const expected = (error: Error & { code?: string }) => {
        assert.equal(error.code, code);
        assert.match(error.message, message);
        const told = `${error.message} ${String(error.stack)} ${String((error.cause as Error).stack)}`;
        assert.doesNotMatch(told, new RegExp(CREDENTIALS.AWS_SECRET_ACCESS_KEY));
        return true;
      };
      await Promise.all([
        assert.rejects(storage.putFile('c', file), expected),
        assert.rejects(storage.putBytes('c', Buffer.from('x')), expected),
        assert.rejects(storage.check(), expected),
        assert.rejects(storage.read('a/b'), expected),
        assert.rejects(storage.removeAll('a'), expected),
        assert.rejects(S3Storage.open(place(bucket), impatient), expected),
        assert.rejects(storage.stat('a/b'), { code }, 'not that there is no such object'),
      ]);
      s3.fault = undefined;
      await storage.check();
      await storage.putFile('c', file);
      assert.equal((await storage.stat('c'))?.sizeBytes, 4);
    });
  }

  it('says what is wrong with its settings at the start', async () => {
    const unavailable = { code: 'STORAGE_UNAVAILABLE' };
    await assert.rejects(openStorage(s3Config(s3, 'no-such-bucket')), {
      ...unavailable,
      message: /no bucket no-such-bucket there.*STORAGE_URL/,
    });
    const config = s3Config(s3, await s3.bucket());
    const storage = await openStorage(config);
    delete process.env.AWS_ACCESS_KEY_ID;
    try {
      await assert.rejects(openStorage(config), {
        ...unavailable,
        message: /no credentials.*AWS_ACCESS_KEY_ID/,
      });
      await storage.check();
      await assert.rejects(openStorage({ ...config, s3Endpoint: undefined }), {
        ...unavailable,
        message: /AWS_REGION/,
      });
    } finally {
      Object.assign(process.env, CREDENTIALS);
    }
  });

  it('sends those who are let in straight to an object, for a while', async () => {
    const storage = await openStorage(s3Config(s3, await s3.bucket(), 'prefix'));
    await storage.putBytes('results/a', Buffer.from('0123456789'));
    const url = await storage.signedUrl!('results/a', {
      contentType: 'audio/flac',
      contentDisposition: 'attachment; filename="vocals.flac"',
      cacheControl: 'private, no-cache',
      seconds: 60,
    });
    const { searchParams } = new URL(url);
    assert.equal(searchParams.get('X-Amz-Expires'), '60');
    assert.match(searchParams.get('X-Amz-Signature') ?? '', /^[0-9a-f]{64}$/);
    const response = await fetch(url, { headers: { Range: 'bytes=2-4' } });
    assert.equal(response.status, 206);
    assert.equal(await response.text(), '234');
    assert.equal(response.headers.get('content-type'), 'audio/flac');
    assert.match(response.headers.get('content-disposition') ?? '', /vocals\.flac/);
  });

  it('shows nothing that others keep in the bucket', async () => {
    const bucket = await s3.bucket();
    const storage = await openStorage(s3Config(s3, bucket, 'ours'));
    for (const key of ['ours/.hidden', 'ours/a b', 'oursa', 'other/x']) {
      await fetch(`${s3.url}/${bucket}/${encodeURI(key)}`, { method: 'PUT', body: 'x' });
    }
    await storage.putBytes('a', Buffer.from('x'));
    const keys: string[] = [];
    for await (const { key } of storage.list('')) keys.push(key);
    assert.deepEqual(keys, ['a']);
  });
});
