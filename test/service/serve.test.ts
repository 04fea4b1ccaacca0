/** `oxboard serve` as an operator and a web application see it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { makeAudio, readAudio, temporaryFolder } from '../support/audio.js';
import { modelsDir, oxboard } from '../support/cli.js';
import {
  ask,
  checksums,
  jobOf,
  startService,
  submit,
  untilCompleted,
  untilJob,
} from '../support/service.js';
import { promtool } from '../support/promtool.js';
import { until } from '../support/until.js';

const folder = temporaryFolder({ after });
const THREADS = '1';
const song = makeAudio(path.join(folder, 'song.wav'), '0.4*sin(440*t)|0.3*sin(300*t)', {
  seconds: 3,
});
const service = await startService({ after }, ['serve', '--processes', '2'], {
  DEMUCS_THREADS: THREADS,
  WORKER_CONCURRENCY: '1',
});

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

async function scrape(): Promise<string> {
  const response = await fetch(service.metricsUrl);
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  return response.text();
}

const valueOf = (metrics: string, series: string): number =>
  Number(
    metrics
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.split(' ')[1],
  );

describe('serve', () => {
  it('tells at its start where it is, for whom, with which model and data', () => {
    const access = service.logs().find(({ event }) => event === 'service_access')!;
    assert.equal(access.access, 'anyone, from this machine only');
    const ready = service.logs().find(({ event }) => event === 'service_ready')!;
    assert.equal(ready.url, `${service.url}/api/v1`);
    assert.equal(ready.docs, `${service.url}/api/v1/docs`);
    assert.equal(ready.model, 'toy');
    assert.equal(ready.device, 'cpu');
    assert.equal(ready.data_dir, service.dataDir);
  });

  it('gives the same samples as the command line', async () => {
    const id = await submit(service, song, { model: 'htdemucs', seed: '7', overlap: '0.1' });
    const job = await untilCompleted(service, id);
    const out = path.join(folder, 'out');
    const options = ['-n', 'htdemucs', '--seed', '7', '--overlap', '0.1', '--threads', THREADS];
    const { status, stderr } = await oxboard(
      ['separate', song, ...options, '--models-dir', modelsDir, '-o', out, '--json'],
      { env: { DEMUCS_DEVICE: 'cpu' } },
    );
    assert.equal(status, 0, stderr);
    const names = ['drums', 'bass', 'other', 'vocals'];
    const received = (name: string) => path.join(folder, `${name}.wav`);
    for (const name of names) {
      const stem = job.result!.stems[name]!;
      const response = await fetch(new URL(stem.url, service.url));
      const bytes = new Uint8Array(await response.arrayBuffer());
      assert.equal(bytes.length, stem.size_bytes);
      assert.equal(sha256(bytes), stem.sha256);
      writeFileSync(received(name), bytes);
    }
    // Only then: reading blocks the event loop, which would not see that the service closes a connection.
    for (const name of names) {
      // The files differ in their tags: the service's may belong to songs of other names as well.
      const expected = readAudio(path.join(out, 'htdemucs', 'song', `${name}.wav`));
      assert.deepEqual(readAudio(received(name)), expected, name);
    }
    // The client hears of connections that were closed meanwhile, before it uses one again.
    for (let turn = 0; turn < 2; turn++) await setImmediate();
  });

  it('does not compute the same twice', async () => {
    const first = await untilCompleted(service, await submit(service, song, { stems: 'vocals' }));
    const hits = valueOf(await scrape(), 'demucs_cache_total{outcome="hit"}') || 0;
    const second = await untilCompleted(service, await submit(service, song, { stems: 'vocals' }));
    assert.deepEqual(checksums(second), checksums(first));
    assert.equal(valueOf(await scrape(), 'demucs_cache_total{outcome="hit"}'), hits + 1);
  });

  it('cancels a job in every state, at once', async () => {
    const running = await submit(service, song, { model: 'slow' });
    await untilJob(service, running, ({ stage }) => stage === 'separating');
    const waiting = await submit(service, song, { model: 'slow', overlap: '0.5' });
    assert.equal((await jobOf(service, waiting))?.status, 'pending');

    assert.equal((await ask(service, `/jobs/${waiting}`, { method: 'DELETE' })).status, 204);
    assert.equal((await jobOf(service, waiting))?.status, 'cancelled');

    assert.equal((await ask(service, `/jobs/${running}`, { method: 'DELETE' })).status, 204);
    assert.equal((await jobOf(service, running))?.status, 'cancelled');
    // A segment of `slow` never ends by itself, and there is only one place.
    const next = await submit(service, song, { stems: 'bass' });
    const completed = await untilCompleted(service, next);

    assert.equal((await ask(service, `/jobs/${next}`, { method: 'DELETE' })).status, 204);
    assert.equal(await jobOf(service, next), undefined);
    const stem = await fetch(new URL(completed.result!.stems.bass!.url, service.url));
    assert.equal(stem.status, 404);
    for (const id of [running, waiting, next]) {
      const { status } = await ask(service, `/jobs/${id}`, { method: 'DELETE' });
      assert.ok(status === 204 || status === 404, `${status}`);
    }
  });

  it('answers while a song is separated, in processes that do not load libtorch', async () => {
    const id = await submit(service, song, { model: 'slow' });
    await untilJob(service, id, ({ stage }) => stage === 'separating');
    for (let at = 0; at < 50; at++) {
      assert.equal((await jobOf(service, id))?.status, 'processing');
    }
    await ask(service, `/jobs/${id}`, { method: 'DELETE' });

    const maps = (name: string) => readFileSync(`/proc/${service.pids(name).at(-1)}/maps`, 'utf8');
    assert.match(maps('worker'), /libtorch_cpu/);
    for (const name of ['api-1', 'api-2'])
      assert.doesNotMatch(maps(name), /libtorch|oxboard\.node/);
  });

  it('tells the metrics of all its processes as one, as Prometheus wants them', async () => {
    const text = await until(async () => {
      const metrics = await scrape();
      return valueOf(metrics, 'demucs_jobs_active') === 0 && metrics;
    }, 'the figures of the last job');
    assert.deepEqual(promtool(['check', 'metrics'], text), { status: 0, said: '' });

    const admitted = service.logs().filter(({ event }) => event === 'job_admitted').length;
    const done = service.logs().filter(({ event }) => event === 'job_completed').length;
    assert.equal(valueOf(text, 'demucs_jobs_total{status="pending"}'), admitted);
    assert.equal(valueOf(text, 'demucs_jobs_total{status="completed"}'), done);
    assert.ok(valueOf(text, 'demucs_jobs_total{status="cancelled"}') >= 3);
    assert.ok(valueOf(text, 'demucs_processing_seconds_count') >= 1);
    assert.ok(valueOf(text, 'demucs_segments_total{model="htdemucs"}') > 50);
    assert.equal(valueOf(text, 'demucs_workers'), 1);
    assert.equal(valueOf(text, 'demucs_redis_up'), 1);
    for (const name of ['supervisor', 'api', 'worker']) {
      assert.ok(valueOf(text, `process_resident_memory_bytes{process="${name}"}`) > 1e7, name);
    }
    assert.match(
      text,
      /demucs_api_requests_total\{method="POST",route="[^"]*\/stemify",status="202"\}/,
    );
    assert.doesNotMatch(text, /[0-9a-f]{8}-[0-9a-f]{4}-/, 'an id of a job or a request');
  });

  it('follows a job through its logs by its id and that of its request', async () => {
    const form = new FormData();
    form.set('file', new Blob([readFileSync(song)]), 'song.wav');
    form.set('stems', 'drums');
    const headers = { 'x-request-id': 'request-of-a-test' };
    const posted = await ask<{ job_id: string }>(service, '/stemify', {
      method: 'POST',
      body: form,
      headers,
    });
    const id = posted.body.job_id;
    await untilCompleted(service, id);
    const logged = () => service.logs().filter((line) => line.job_id === id);
    // The worker logs the end after clients can see it.
    await until(
      () => logged().some(({ event }) => event === 'job_completed'),
      'the log of the end',
    );
    const lines = logged();
    const by = (name: string) => lines.filter((line) => line.process?.startsWith(name));
    assert.ok(by('api').length > 0);
    assert.ok(by('worker').length > 1);
    for (const line of by('worker')) assert.equal(line.request_id, 'request-of-a-test');
    for (const { timestamp, level } of service.logs()) {
      assert.ok(!Number.isNaN(Date.parse(String(timestamp))));
      assert.match(String(level), /^(error|warn|info|debug)$/);
    }
    const completed = lines.find(({ event }) => event === 'job_completed');
    assert.equal(typeof completed?.duration, 'number');
    assert.equal(completed?.model, 'toy');
  });

  it('starts again what was killed, and its counters do not go back', async () => {
    const series = 'demucs_jobs_total{status="pending"}';
    const admitted = valueOf(await scrape(), series);
    for (const name of ['api-1', 'api-2']) {
      const pid = service.pids(name).at(-1)!;
      process.kill(pid, 'SIGKILL');
      await until(() => service.pids(name).at(-1) !== pid, 'another process');
    }
    await until(() => ask(service, '/health/ready').catch(() => undefined), 'answers');
    const text = await scrape();
    assert.equal(valueOf(text, series), admitted);
    assert.equal(valueOf(text, 'demucs_process_restarts_total{role="api"}'), 2);
    await untilCompleted(service, await submit(service, song));
  });
});
