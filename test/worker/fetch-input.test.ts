/** What decoders read: the bytes that were uploaded, or an error that tells what went wrong. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import path from 'node:path';
import { Readable } from 'node:stream';
import { OxboardError } from '../../src/errors.js';
import { sha256Hex } from '../../src/lib/hash.js';
import { openStorage } from '../../src/storage/open.js';
import type { Storage } from '../../src/storage/storage.js';
import { fetchInput } from '../../src/worker/fetch-input.js';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { startService } from '../support/worker.js';

const folder = temporaryFolder({ after });
const { signal } = new AbortController();

/** A storage whose first reading breaks in the middle. */
function breakOnce(storage: Storage): Storage {
  let broken = false;
  const read: Storage['read'] = async (key, range, end) => {
    const whole = await storage.read(key, range, end);
    if (broken || !key.startsWith('uploads/')) return whole;
    broken = true;
    return Readable.from(
      (async function* () {
        for await (const chunk of whole) {
          yield (chunk as Buffer).subarray(0, 1000);
          throw new OxboardError('STORAGE_UNAVAILABLE', 'It broke');
        }
      })(),
    );
  };
  return new Proxy(storage, {
    get: (target, name: keyof Storage) => (name === 'read' ? read : target[name]?.bind(target)),
  });
}

describe('the song of a job', () => {
  it('is copied, and refused when it has other bytes than were uploaded', async () => {
    const storage = await openStorage({ storageUrl: undefined, dataDir: folder });
    await storage.putBytes('uploads/a', Buffer.from('song'));
    const source = { key: 'uploads/a', sha256: sha256Hex('song') };
    const copy = await fetchInput(storage, source, folder, signal);
    assert.equal(path.dirname(copy), folder.replace(/\/$/, ''));
    assert.equal(readFileSync(copy, 'utf8'), 'song');
    await assert.rejects(
      fetchInput(storage, { ...source, sha256: sha256Hex('another') }, folder, signal),
      { code: 'INPUT_UNREADABLE' },
    );
  });

  it('is read again when the storage breaks in the middle: no job fails by that', async (context) => {
    const service = await startService(context);
    await service.startWorker({ storage: breakOnce(service.storage) });
    const song = makeAudio(path.join(folder, 'song.wav'), '0.3*sin(300*t)', { seconds: 2 });
    const job = await service.finished((await service.admit(song)).id);
    assert.equal(job.status, 'completed', JSON.stringify(job.error));
  });
});
