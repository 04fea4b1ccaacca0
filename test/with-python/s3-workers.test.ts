/** Workers that share Redis and a bucket, and no disk. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createJanitor } from '../../src/queue/janitor.js';
import { connectQueue } from '../../src/queue/connection.js';
import type { Job } from '../../src/jobs/job.js';
import { S3Storage } from '../../src/storage/s3-storage.js';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { holdWrites } from '../support/held-storage.js';
import { recordingLogger } from '../support/logs.js';
import { startS3 } from '../support/s3.js';
import { CHECKPOINT, startService } from '../support/worker.js';

type Service = Awaited<ReturnType<typeof startService>>;

const program = fileURLToPath(new URL('../worker/child.ts', import.meta.url));
const folder = temporaryFolder({ after });
const s3 = await startS3({ after });
let songs = 0;
const newSong = (seconds: number) =>
  makeAudio(
    path.join(folder, `song-${++songs}.wav`),
    `0.3*sin(${200 + songs}*t)+0.1*(random(0)*2-1)|0.3*sin(${300 + songs}*t)`,
    { seconds },
  );
/** Many segments: there are checkpoints before its end. */
const LONG = { segment: 1, overlap: 0.7, shifts: 2, seed: 5 };

async function start(context: TestContext): Promise<Service> {
  s3.fault = undefined;
  return startService(context, {
    storageUrl: `s3://${await s3.bucket()}/oxboard`,
    s3Endpoint: s3.url,
  });
}

async function startChild({ redisUrl, place }: Service, dataDir: string): Promise<ChildProcess> {
  const settings = JSON.stringify({ redisUrl, dataDir, place });
  const child = spawn(process.execPath, ['--import', 'tsx', program, settings], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

const hashes = ({ result }: Job) => Object.values(result!.stems).map(({ sha256 }) => sha256);

describe('workers with a bucket between them', () => {
  it('make up for one that was killed with its disk, with the same bytes', async (context) => {
    const service = await start(context);
    const song = newSong(4);
    const lost = temporaryFolder(context);
    const child = await startChild(service, lost);
    const { id } = await service.admit(song, LONG);
    await service.checkpointed(id);
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
    await service.endLease(id);
    rmSync(lost, { recursive: true });

    const dataDir = temporaryFolder(context);
    const next = await service.startWorker({ dataDir });
    const resumed = await service.finished(id);
    assert.equal(resumed.status, 'completed');
    assert.equal(resumed.attempts, 2);
    assert.equal(await next.metric('demucs_job_resumes_total'), 1);
    await service.gone('checkpoints/');
    for (const { key, sizeBytes } of Object.values(resumed.result!.stems))
      assert.equal((await service.bytes(key)).length, sizeBytes);

    // Its result would be taken.
    await service.cancel(id);
    await service.gone('results/');
    const undisturbed = await service.finished((await service.admit(song, LONG)).id);
    assert.equal(undisturbed.cached, false);
    assert.deepEqual(hashes(resumed), hashes(undisturbed));
    await next.stop();
    assert.deepEqual(readdirSync(path.join(dataDir, 'work')), []);
  });

  it('go on with what one of them was stopped in', async (context) => {
    const service = await start(context);
    const { storage } = holdWrites(service.storage, CHECKPOINT);
    const first = await service.startWorker({ storage, dataDir: temporaryFolder(context) });
    const { id } = await service.admit(newSong(4), LONG);
    await service.checkpointed(id);
    await first.stop(100);
    const second = await service.startWorker({ dataDir: temporaryFolder(context) });
    const job = await service.finished(id);
    assert.deepEqual([job.status, job.attempts], ['completed', 1]);
    assert.equal(await second.metric('demucs_job_resumes_total'), 1);
  });

  it('share jobs and what they have computed', async (context) => {
    const service = await start(context);
    const workers = await Promise.all(
      [1, 2].map(() => service.startWorker({ dataDir: temporaryFolder(context) })),
    );
    const song = newSong(1);
    const admitted = await Promise.all(
      [song, song, song, ...[1, 2, 3, 4].map(() => newSong(1))].map((file) => service.admit(file)),
    );
    const jobs = await Promise.all(admitted.map(({ id }) => service.finished(id)));
    for (const { status } of jobs) assert.equal(status, 'completed');
    assert.equal(new Set(jobs.map(({ result }) => result!.id)).size, 5);
    const done = await Promise.all(
      workers.map((worker) => worker.metric('demucs_jobs_total', { status: 'completed' })),
    );
    assert.equal(done[0]! + done[1]!, 7);
    for (const { id } of jobs) await service.cancel(id);
    await service.gone('');
  });

  for (const fault of ['down', 'silent', 'denied', 'full'] as const) {
    it(`wait while the bucket is ${fault}, and go on`, async (context) => {
      const service = await start(context);
      const { pathname, hostname: bucket } = new URL(String(service.place.storageUrl));
      const storage = await S3Storage.open(
        { bucket, prefix: pathname.slice(1), endpoint: s3.url, region: undefined },
        { connectMs: 1_000, idleMs: 200 },
      );
      const held = holdWrites(storage, CHECKPOINT);
      const worker = await service.startWorker({
        storage: held.storage,
        dataDir: temporaryFolder(context),
      });
      const { id } = await service.admit(newSong(4), LONG);
      await service.checkpointed(id);
      s3.fault = fault;
      held.release();
      await worker.says('job_retried');
      s3.fault = undefined;
      const job = await service.finished(id);
      assert.equal(job.status, 'completed', JSON.stringify(job.error));
      assert.equal(job.attempts, 1);
      await service.gone('checkpoints/');
    });
  }

  it('take the time that the bucket takes', async (context) => {
    const service = await start(context);
    const worker = await service.startWorker({ dataDir: temporaryFolder(context) });
    s3.fault = 'slow';
    const job = await service.finished((await service.admit(newSong(2), { segment: 1 })).id);
    assert.deepEqual([job.status, job.attempts], ['completed', 1]);
    const troubles = worker.logged.filter(({ event }) => /retried|failed|lost/.test(event));
    assert.deepEqual(troubles, []);
  });

  it('remove from it what no job knows', async (context) => {
    const service = await start(context);
    const worker = await service.startWorker({ dataDir: temporaryFolder(context) });
    const job = await service.finished((await service.admit(newSong(1))).id);
    await service.gone('uploads/');
    await service.storage.putBytes('results/of-nobody/vocals.wav', Buffer.from('x'));
    await service.storage.putBytes('uploads/of-nobody', Buffer.from('x'));
    await worker.stop();
    const { logger } = recordingLogger();
    const redis = await connectQueue({ redisUrl: service.redisUrl, redisDb: 0 }, logger);
    const janitor = createJanitor(redis, { storage: service.storage, logger, youngMs: 0 });
    assert.equal(await janitor.round(), 2);
    await redis.close();
    const isForPlayback = (key: string) => /\/(chunks\/.*|peaks)$/.test(key);
    const kept = await service.keys('results/');
    assert.ok(kept.some(isForPlayback));
    assert.deepEqual(
      kept.filter((key) => !isForPlayback(key)),
      Object.values(job.result!.stems)
        .map(({ key }) => key)
        .sort(),
    );
  });
});
