/** What the loop promises that downloads songs; how they come is no matter of it. */
import assert from 'node:assert/strict';
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { probe } from '../../src/audio/probe.js';
import { OxboardError } from '../../src/errors.js';
import type { JobOptions } from '../../src/options.js';
import { createMetrics } from '../../src/observability/metrics.js';
import { startDownloader, type RunningDownloader } from '../../src/worker/downloader.js';
import type { SongFetcher } from '../../src/worker/download-song.js';
import type { Storage } from '../../src/storage/storage.js';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { recordingLogger } from '../support/logs.js';
import { admission, startQueue, TENANT } from '../queue/harness.js';
import { until } from '../support/until.js';

const MODEL = {
  sampleRate: 44_100,
  segment: 343_980,
  minLength: 343_980,
  realtimeFactor: 1,
};

async function start(
  context: TestContext,
  fetchSong: SongFetcher,
  {
    kind = 'youtube',
    maxDuration = 60,
    options = {},
    away,
  }: {
    kind?: 'youtube' | 'url';
    maxDuration?: number;
    options?: Partial<JobOptions>;
    away?: () => Promise<never>;
  } = {},
) {
  const running: RunningDownloader[] = [];
  // Before the hooks that end Redis.
  context.after(async () => {
    for (const each of running) await each.stop({ graceMs: 0 });
  });
  const queue = await startQueue(context);
  const { jobs, downloads, downloadDispatcher, sweeper } = await queue.join();
  const { logger, events } = recordingLogger();
  const metrics = createMetrics();
  const directory = path.join(queue.dataDir, 'downloads');
  const storage = new Proxy(queue.storage, {
    get(target, name: keyof Storage) {
      const own = target[name]?.bind(target);
      return away && (name === 'putFile' || name === 'check') ? away : own;
    },
  });
  const downloader = await startDownloader({
    downloads,
    dispatcher: downloadDispatcher,
    storage,
    fetchSong,
    directory,
    maxDurations: { youtube: maxDuration, url: 2 * maxDuration },
    logger,
    metrics,
    renewalMs: 100,
    retryDelaysMs: [10, 10],
  });
  running.push(downloader);
  const asked = admission({ options });
  const source = {
    kind,
    url: 'https://youtu.be/a',
    key: null,
    name: 'https://youtu.be/a',
    sha256: null,
    sizeBytes: null,
    durationSeconds: null,
    model: MODEL,
  };
  const { job } = await jobs.admit({ ...asked, request: { ...asked.request, source } });
  return {
    ...queue,
    jobs,
    sweeper,
    downloader,
    job: async () => (await jobs.get(job.id, TENANT))!,
    cancel: () => jobs.cancelOrRemove(job.id, TENANT),
    logged: (name: string) => events.filter(({ event }) => event === name).length,
    outcomes: async () =>
      Object.fromEntries(
        (await metrics.downloads.get()).values.map(({ labels, value }) => [
          String(labels.outcome),
          value,
        ]),
      ),
    jobsTotal: async () =>
      (await metrics.jobsTotal.get()).values.map(({ labels }) => labels.status),
    leftovers: () =>
      readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) =>
        name.includes('song'),
      ),
  };
}

/** Brings a song of three seconds. */
function bringing(context: TestContext): { song: string; fetchSong: SongFetcher } {
  const song = makeAudio(path.join(temporaryFolder(context), 's.mp3'), '0.1*sin(t)', {
    seconds: 3,
  });
  return {
    song,
    fetchSong: (_link, { directory, onProgress }) => {
      const copy = path.join(directory, 'song');
      copyFileSync(song, copy);
      onProgress(1);
      return Promise.resolve({ path: copy, name: 'Title.mp3' });
    },
  };
}

/** Comes never, unless it is told to stop. */
const never: SongFetcher = (_link, { signal }) =>
  new Promise((_resolve, reject) => {
    signal.throwIfAborted();
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });

const network = () => new OxboardError('YOUTUBE_NETWORK', 'The site could not be reached');

describe('a downloader', () => {
  it('puts the song into the storage, and tells what it is', async (context) => {
    const { song, fetchSong } = bringing(context);
    const service = await start(context, fetchSong);
    const { request } = await until(async () => {
      const job = await service.job();
      return job.request.source.key !== null && job;
    });
    const bytes = readFileSync(song);
    const { key, durationSeconds, ...source } = request.source;
    assert.deepEqual(source, {
      kind: 'youtube',
      url: 'https://youtu.be/a',
      name: 'Title.mp3',
      sha256: createHash('sha256').update(bytes).digest('hex'),
      sizeBytes: bytes.length,
      model: MODEL,
    });
    assert.ok(Math.abs((durationSeconds ?? 0) - 3) < 0.1);
    assert.deepEqual(await buffer(await service.storage.read(key!)), bytes);
    assert.deepEqual(service.leftovers(), []);
    await until(async () => (await service.outcomes()).completed === 1);

    await service.cancel();
    await service.sweeper.sweep();
    assert.equal(await service.storage.stat(key!), undefined, 'it goes with the job');
  });

  it('tries again when the network failed, with patience, and then gives up', async (context) => {
    const { fetchSong } = bringing(context);
    let tries = 0;
    const late = await start(context, (...args) => {
      if (++tries < 3) return Promise.reject(network());
      return fetchSong(...args);
    });
    await until(async () => (await late.outcomes()).completed === 1);
    assert.equal(late.logged('download_retried'), 2);

    const dead = await start(context, () => Promise.reject(network()));
    const job = await until(async () => {
      const now = await dead.job();
      return now.status === 'failed' && now;
    });
    assert.deepEqual(job.error, {
      code: 'YOUTUBE_NETWORK',
      message: 'The site could not be reached',
    });
    assert.deepEqual(await dead.outcomes(), { YOUTUBE_NETWORK: 1 });
    assert.deepEqual(await dead.jobsTotal(), ['download_failed']);
  });

  it('tells the owner of a job nothing about this machine', async (context) => {
    const secret = new OxboardError(
      'YOUTUBE_BINARY_MISSING',
      '/home/operator/yt-dlp is no program',
    );
    for (const [error, code] of [
      [secret, 'YOUTUBE_BINARY_MISSING'],
      [new Error('/home/operator'), 'INTERNAL'],
    ] as const) {
      const service = await start(context, () => Promise.reject(error));
      const job = await until(async () => {
        const now = await service.job();
        return now.status === 'failed' && now;
      });
      assert.ok(job.error);
      assert.equal(job.error.code, code);
      assert.doesNotMatch(job.error.message, /operator/);
    }
  });

  it('does not take a song that is longer than its description said', async (context) => {
    const service = await start(context, bringing(context).fetchSong, { maxDuration: 2 });
    const job = await until(async () => {
      const now = await service.job();
      return now.status === 'failed' && now;
    });
    assert.equal(job.error?.code, 'AUDIO_TOO_LONG');
    assert.deepEqual(service.leftovers(), []);
  });

  it('takes from a link to a file what is too long for a video', async (context) => {
    const { fetchSong } = bringing(context);
    const service = await start(context, fetchSong, { kind: 'url', maxDuration: 2 });
    await until(async () => (await service.job()).request.source.key !== null);
  });

  it('takes a song whose header says that it is too long', async (context) => {
    const { song, fetchSong } = bringing(context);
    // The beginning of a long song, with the header of the whole.
    makeAudio(song, '0.1*sin(t)', { seconds: 60 });
    const bytes = readFileSync(song);
    writeFileSync(song, bytes.subarray(0, bytes.length / 20));
    assert.ok(((await probe(song)).durationSeconds ?? 0) > 59);
    const service = await start(context, fetchSong, { maxDuration: 10 });
    const { request } = await until(async () => {
      const job = await service.job();
      return job.request.source.key !== null && job;
    });
    const { durationSeconds } = request.source;
    assert.ok(Math.abs((durationSeconds ?? 0) - 3) < 0.2, String(durationSeconds));
  });

  it('does not take a song that is too much work with the options of its job', async (context) => {
    const service = await start(context, bringing(context).fetchSong, {
      options: { segment: 0.001 },
    });
    const job = await until(async () => {
      const now = await service.job();
      return now.status === 'failed' && now;
    });
    assert.equal(job.error?.code, 'INVALID_OPTION');
    assert.match(job.error.message, /3\.\d s of audio are as much work as \d{5} s/);
    assert.deepEqual(service.leftovers(), []);
    assert.equal(job.request.source.key, null);
  });

  it('waits for a storage that is away, instead of failing the job', async (context) => {
    let fetched = 0;
    const fetchSong: SongFetcher = () => Promise.reject(new Error(String(fetched++)));
    const away = () => Promise.reject(new OxboardError('STORAGE_UNAVAILABLE', 'no'));
    const service = await start(context, fetchSong, { away });
    await until(async () => (await service.outcomes()).handed_back);
    assert.equal(fetched, 0, 'what could not be kept');
    const { status, error } = await service.job();
    assert.deepEqual({ status, error }, { status: 'processing', error: null });
    await service.downloader.stop({ graceMs: 0 });
  });

  it('does not wait for a storage that hangs when it has to leave', async (context) => {
    const away = () => new Promise<never>(() => undefined);
    const service = await start(context, never, { away });
    await until(async () => (await service.job()).stage === 'downloading');
    await service.downloader.stop({ graceMs: 0 });
    assert.deepEqual(await service.outcomes(), { handed_back: 1 });
    assert.deepEqual(service.leftovers(), []);
  });

  it('hands back what it has to leave, and lets go of what was cancelled', async (context) => {
    const stopped = await start(context, never);
    await until(async () => (await stopped.job()).stage === 'downloading');
    await stopped.downloader.stop({ graceMs: 0 });
    assert.equal((await stopped.job()).stage, 'waiting');
    assert.deepEqual(await stopped.outcomes(), { handed_back: 1 });

    const cancelled = await start(context, never);
    await until(async () => (await cancelled.job()).stage === 'downloading');
    assert.equal(await cancelled.cancel(), 'cancelled');
    await until(async () => (await cancelled.outcomes()).cancelled === 1);
    assert.equal((await cancelled.job()).status, 'cancelled');
    assert.deepEqual(cancelled.leftovers(), []);
  });
});
