import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import type { ErrorCode } from '../../src/errors.js';
import type { JobOptions } from '../../src/options.js';
import type { Job, JobEvent } from '../../src/jobs/job.js';
import { makeAudio, readAudio, temporaryFolder } from '../support/audio.js';
import { holdWrites } from '../support/held-storage.js';
import { smallDisk, unmountSmallDisks } from '../support/small-disk.js';
import { until } from '../support/until.js';
import { CHECKPOINT, startService } from '../support/worker.js';

const folder = temporaryFolder({ after });
let songs = 0;
/** With a tone that no other song has. */
const newSong = (seconds: number, name = `song-${++songs}.wav`) =>
  makeAudio(
    path.join(folder, name),
    `0.2*(random(0)*2-1)+0.2*sin(${300 + songs}*2*PI*t)|0.3*(random(1)*2-1)`,
    {
      seconds,
    },
  );
/** Many segments: there are checkpoints before its end. */
const LONG = { segment: 1, overlap: 0.8 };

/** A WAV file as a pipe gives it: its header does not tell how long it is. */
function withoutLength(wav: string): string {
  const bytes = readFileSync(wav);
  bytes.writeUInt32LE(0, bytes.indexOf('data') + 4);
  const file = `${wav}.piped.wav`;
  writeFileSync(file, bytes);
  return file;
}

const hashes = (job: Job) =>
  Object.entries(job.result?.stems ?? {}).map(([name, { sha256 }]) => [name, sha256]);

describe('a worker', () => {
  it('makes stems of an upload and tells how far it is', async (context) => {
    const service = await startService(context);
    const worker = await service.startWorker();
    const song = newSong(9);
    const { id } = await service.admit(song, { format: 'flac' });
    const events: JobEvent[] = [];
    for await (const event of service.events(id)) events.push(event);
    const job = await service.finished(id);

    assert.equal(job.status, 'completed');
    assert.equal(job.attempts, 1);
    assert.equal(job.progress, 100);
    const result = job.result!;
    assert.deepEqual(Object.keys(result.stems), ['drums', 'bass', 'other', 'vocals']);
    for (const [name, stem] of Object.entries(result.stems)) {
      assert.match(stem.key, new RegExp(`^results/${result.id}/[^/]+/${name}\\.flac$`));
      const bytes = await service.bytes(stem.key);
      assert.equal(stem.sizeBytes, bytes.length);
      assert.equal(stem.sha256, createHash('sha256').update(bytes).digest('hex'));
      assert.ok(!bytes.includes(`(${name})`), 'who has the same song shares the result');
      assert.deepEqual(
        [stem.format, stem.durationSeconds, stem.sampleRate, stem.channels],
        ['flac', 9, 44_100, 2],
      );
      const file = path.join(folder, 'stem.flac');
      writeFileSync(file, bytes);
      assert.equal(readAudio(file)[0]?.length, 9 * 44_100);
    }
    assert.ok(result.processingSeconds > 0);
    assert.ok(Math.abs(result.realtimeFactor * result.processingSeconds - 9) < 1e-6);
    assert.equal(typeof result.nullTestDb, 'number');
    assert.match(JSON.stringify(result.manifest), /"device":"cpu".*"seed":1/);
    assert.doesNotMatch(JSON.stringify(result), new RegExp(service.dataDir));

    for (const [index, { progress }] of events.entries()) {
      assert.ok(progress >= (events[index - 1]?.progress ?? 0));
    }
    const stages = new Set(events.map(({ stage }) => stage));
    assert.ok(stages.has('separating') && stages.has('encoding') && stages.has('done'));

    await worker.says('job_completed');
    assert.equal(await worker.metric('demucs_jobs_total', { status: 'completed' }), 1);
    assert.equal(await worker.metric('demucs_jobs_active'), 0);
    const audioSeconds = await worker.metric('demucs_audio_seconds_total', { model: 'toy' });
    assert.ok(Math.abs(audioSeconds - 9) < 1e-6, String(audioSeconds));
    assert.equal(await worker.metric('demucs_segments_total', { model: 'toy' }), 2);
    const told = worker.logged.filter(({ event }) => event.startsWith('job_'));
    assert.deepEqual(
      told.map(({ event }) => event),
      ['job_started', 'job_completed'],
    );
    await service.gone('checkpoints/');

    await worker.stop();
    assert.deepEqual(readdirSync(path.join(service.dataDir, 'work')), []);

    const next = await service.startWorker();
    const announced = (await service.workers.list()).find(({ id }) => id === next.worker.id);
    const toy = announced?.models.find(({ name }) => name === 'toy');
    assert.ok(
      (toy?.realtimeFactor ?? 0) > 0,
      'the speed that was measured is known after a restart',
    );
  });

  it('fails a job that cannot be done with the code of what is wrong, and goes on', async (context) => {
    const service = await startService(context);
    const worker = await service.startWorker({ config: { maxDuration: 6 } });
    const text = path.join(folder, 'text.mp3');
    writeFileSync(text, 'no song at all');
    const long = withoutLength(newSong(8));

    const cases: [string | undefined, Partial<JobOptions>, ErrorCode, RegExp][] = [
      [text, {}, 'INPUT_NOT_AUDIO', /^My song\.mp3 cannot be decoded/],
      [undefined, {}, 'INPUT_NOT_FOUND', /upload is gone/],
      [long, {}, 'AUDIO_TOO_LONG', /longer than the 6 seconds/],
      [newSong(1), { stems: ['piano'] }, 'INVALID_OPTION', /"piano"/],
      [newSong(1), { segment: 60 }, 'INVALID_OPTION', /segment/],
      [newSong(5), { segment: 0.05 }, 'INVALID_OPTION', /as much work as \d+ s.* up to 120 s/],
    ];
    for (const [song, request, code, message] of cases) {
      const { id } = await service.admit(song, request);
      const job = await service.finished(id);
      assert.equal(job.status, 'failed', code);
      assert.equal(job.error?.code, code);
      assert.match(job.error.message, message);
      assert.doesNotMatch(job.error.message, /\/(tmp|work)\b/);
      assert.equal(job.attempts, 1);
      assert.ok((await worker.metric('demucs_errors_total', { code })) > 0);
    }
    const good = await service.finished((await service.admit(newSong(1))).id);
    assert.equal(good.status, 'completed');
    await service.gone('checkpoints/');
  });

  it('stops at once when a job is cancelled, and leaves nothing of it', async (context) => {
    const service = await startService(context);
    const { storage, release } = holdWrites(service.storage, CHECKPOINT);
    const worker = await service.startWorker({ config: { workerConcurrency: 1 }, storage });
    // Its only segment never ends, and the next job needs its place.
    const endless = await service.admit(newSong(1), { model: 'slow' });
    await service.reached(endless.id, ({ stage }) => stage === 'separating');
    assert.equal(await service.cancel(endless.id), 'cancelled');
    const { id } = await service.admit(newSong(30), LONG);
    await service.checkpointed(id);
    assert.equal(await service.cancel(id), 'cancelled');
    const cancelled = () => worker.metric('demucs_job_attempts_total', { outcome: 'cancelled' });
    await until(async () => (await cancelled()) === 2);
    release();
    const next = await service.finished((await service.admit(newSong(1))).id);
    assert.equal(next.status, 'completed');
    assert.equal((await service.finished(id)).status, 'cancelled');
    await service.gone('checkpoints/');
    const kept = `results/${next.result?.id ?? ''}/`;
    await until(async () => (await service.keys('results/')).every((key) => key.startsWith(kept)));
    await worker.stop();
    assert.deepEqual(readdirSync(path.join(service.dataDir, 'work')), []);
  });

  it('does not compute what an equal job has computed', async (context) => {
    const service = await startService(context);
    const worker = await service.startWorker();
    const song = newSong(8);
    const admitted = await Promise.all([1, 2, 3].map((seed) => service.admit(song, { seed })));
    const jobs = await Promise.all(admitted.map(({ id }) => service.finished(id)));
    assert.deepEqual(new Set(jobs.map(({ status }) => status)), new Set(['completed']));
    assert.equal(new Set(jobs.map(({ result }) => result?.id)).size, 1);
    assert.equal(await worker.metric('demucs_cache_total', { outcome: 'miss' }), 1);
    assert.equal(await worker.metric('demucs_cache_total', { outcome: 'hit' }), 2);
    const stems = (await service.keys('results/')).filter((key) => key.endsWith('.wav'));
    assert.equal(stems.length, 4);
  });

  it('that is stopped hands its job back, and another goes on with the same bytes', async (context) => {
    const service = await startService(context);
    const song = newSong(5);
    const undisturbed = await service.startWorker();
    const expected = await service.finished(
      (await service.admit(song, { ...LONG, seed: 1, shifts: 1 })).id,
    );
    await undisturbed.stop();

    const { storage } = holdWrites(service.storage, CHECKPOINT);
    const first = await service.startWorker({ storage });
    // Its result would be taken.
    await service.cancel(expected.id);
    const { id } = await service.admit(song, { ...LONG, seed: 1, shifts: 1 });
    await service.checkpointed(id);
    await first.stop(100);
    assert.equal(await first.metric('demucs_job_attempts_total', { outcome: 'handed_back' }), 1);
    assert.equal((await service.jobs.get(id, 'all'))?.stage, 'waiting');

    const second = await service.startWorker();
    const job = await service.finished(id);
    assert.equal(job.status, 'completed');
    assert.equal(job.attempts, 1, 'an attempt that was handed back does not count');
    assert.equal(await second.metric('demucs_job_resumes_total'), 1);
    assert.deepEqual(hashes(job), hashes(expected));
    await service.gone('checkpoints/');
  });

  it('that is stopped with patience ends its job', async (context) => {
    const service = await startService(context);
    const { storage, release } = holdWrites(service.storage);
    const worker = await service.startWorker({ storage });
    const { id } = await service.admit(newSong(2), LONG);
    await service.reached(id, ({ stage }) => stage === 'separating');
    const stopped = worker.stop(600_000);
    release();
    await stopped;
    assert.equal((await service.finished(id)).status, 'completed');
  });

  it('waits for a storage that is away', async (context) => {
    const service = await startService(context);
    const { storage, release } = holdWrites(service.storage);
    const worker = await service.startWorker({ storage });
    const place = path.join(service.dataDir, 'storage');
    const { id } = await service.admit(newSong(4), LONG);
    await service.reached(id, ({ stage }) => stage === 'separating');
    renameSync(place, `${place}.away`);
    writeFileSync(place, 'in the way');
    release();
    await worker.says('job_handed_back');
    rmSync(place);
    renameSync(`${place}.away`, place);
    const job = await service.finished(id);
    assert.equal(job.status, 'completed');
  });

  it('lets a job wait while its disk is full, and does it when there is space', async (context) => {
    context.after(unmountSmallDisks);
    const disk = smallDisk(temporaryFolder(context), 'disk', 180);
    if (disk === undefined) return; // only root can make one
    const filler = path.join(disk, 'filler');
    writeFileSync(filler, Buffer.alloc(150_000_000));
    const service = await startService(context);
    const { storage } = service;
    const worker = await service.startWorker({ dataDir: disk, storage });
    const { id } = await service.admit(newSong(20));
    await worker.says('job_handed_back');
    const waits = worker.logged.find(({ event }) => event === 'job_waits');
    assert.match(JSON.stringify(waits), /DISK_FULL/);
    assert.equal((await service.jobs.get(id, 'all'))?.error, null);
    rmSync(filler);
    const job = await service.finished(id);
    assert.equal(job.status, 'completed');
    assert.equal(job.attempts, 1);
    await worker.stop();
    assert.deepEqual(readdirSync(path.join(disk, 'work')), []);
  });

  it('gives up a job that does not go on, and does the next', async (context) => {
    const service = await startService(context);
    // The only segment of the first job never ends.
    const worker = await service.startWorker({
      config: { workerConcurrency: 1 },
      stallMs: 400,
    });
    const stuck = await service.finished((await service.admit(newSong(1), { model: 'slow' })).id);
    assert.equal(stuck.error?.code, 'ATTEMPTS_EXHAUSTED');
    assert.match(stuck.error.message, /3 workers .* same point/);
    assert.equal(worker.logged.filter(({ event }) => event === 'job_stalled').length, 3);
    const next = await service.finished((await service.admit(newSong(1))).id);
    assert.equal(next.status, 'completed');
  });

  it('goes on after a restart of Redis', async (context) => {
    const service = await startService(context);
    const { storage, release } = holdWrites(service.storage);
    const worker = await service.startWorker({ storage });
    const { id } = await service.admit(newSong(4), LONG);
    await service.reached(id, ({ stage }) => stage === 'separating');
    await service.redisServer.kill();
    await worker.says('lease_renewal_failed');
    await service.redisServer.start();
    await service.answers();
    release();
    const job = await service.finished(id);
    assert.equal(job.status, 'completed');
    const again = await service.finished((await service.admit(newSong(1))).id);
    assert.equal(again.status, 'completed');
  });

  it('shares ten jobs with another, and none is done twice', async (context) => {
    // Before anything else: it blocks the event loop.
    const songs = Array.from({ length: 10 }, () => newSong(1));
    const service = await startService(context);
    const workers = await Promise.all([service.startWorker(), service.startWorker()]);
    const admitted = await Promise.all(songs.map((song) => service.admit(song)));
    const jobs = await Promise.all(admitted.map(({ id }) => service.finished(id)));
    for (const { status, attempts } of jobs) assert.deepEqual([status, attempts], ['completed', 1]);
    const counts = await Promise.all(
      workers.map((worker) => worker.metric('demucs_jobs_total', { status: 'completed' })),
    );
    assert.equal(counts[0]! + counts[1]!, 10);
  });
});
