/** API and workers as separate commands, with a Redis that they share. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { startRedis } from '../support/redis.js';
import { ask, startService, submit, untilCompleted } from '../support/service.js';
import { until } from '../support/until.js';

const folder = temporaryFolder({ after });
const redis = await startRedis({ after }, { tcp: true });
const SHARED = {
  REDIS_URL: redis.url,
  REDIS_DB: '3',
  DATA_DIR: path.join(folder, 'data'),
  DEMUCS_THREADS: '1',
};
const [api, ...workers] = await Promise.all([
  startService({ after }, ['api'], SHARED),
  startService({ after }, ['worker'], SHARED),
  startService({ after }, ['worker'], SHARED),
]);

const song = (at: number) =>
  makeAudio(path.join(folder, `song-${at}.wav`), `0.3*sin(${200 + at}*t)`, { seconds: 2 });

describe('api and workers', () => {
  it('share the work: ten jobs, each done once, by both workers', async () => {
    const ids = await Promise.all(
      Array.from({ length: 10 }, (_, at) =>
        submit(api, song(at), { model: at % 2 ? 'toy' : 'htdemucs_ft', stems: 'vocals' }),
      ),
    );
    for (const id of ids) await untilCompleted(api, id);
    const started = workers.map((worker) =>
      worker
        .logs()
        .filter(({ event }) => event === 'job_started')
        .map((line) => line.job_id!),
    );
    assert.deepEqual(started.flat().toSorted(), ids.toSorted());
    for (const own of started) assert.ok(own.length > 0);
  });

  it('each tell their metrics', async () => {
    for (const worker of workers) {
      const response = await fetch(worker.metricsUrl);
      assert.match(await response.text(), /^demucs_jobs_total\{status="completed"\} \d+$/m);
    }
    const text = await (await fetch(api.metricsUrl)).text();
    assert.match(text, /^demucs_workers 2$/m);
  });

  it('wait for a Redis that is started again: 503 meanwhile, and no job is lost', async () => {
    const ids = await Promise.all(
      Array.from({ length: 4 }, (_, at) => submit(api, song(20 + at), { model: 'htdemucs' })),
    );
    await redis.stop();
    const { body, headers } = await until(async () => {
      const answer = await ask<{ code: string }>(api, '/jobs');
      return answer.status === 503 && answer;
    }, 'the refusal');
    assert.equal(body.code, 'REDIS_UNAVAILABLE');
    assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/);
    const ready = await ask<{ missing: string[] }>(api, '/health/ready');
    assert.equal(ready.status, 503);
    assert.deepEqual(ready.body.missing, ['redis']);
    assert.equal((await ask(api, '/health/live')).status, 200);

    await redis.start();
    await until(async () => (await ask(api, '/health/ready')).status === 200, 'readiness');
    for (const id of ids) await untilCompleted(api, id);
    await untilCompleted(api, await submit(api, song(40)));
  });

  it('end on SIGTERM, by it', async () => {
    for (const service of [...workers, api]) {
      const { signal } = await service.kill('SIGTERM');
      assert.equal(signal, 'SIGTERM');
    }
  });
});
