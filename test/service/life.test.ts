/** Ends of all kinds: told to stop, killed, and what goes on afterwards. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import {
  ask,
  checksums,
  jobOf,
  processesOf,
  startService,
  submit,
  untilCompleted,
  untilJob,
  type TestService,
} from '../support/service.js';
import { until } from '../support/until.js';

const folder = temporaryFolder({ after });
/** Many segments: there is a middle to be stopped in. */
const FIELDS = { model: 'htdemucs', seed: '3', overlap: '0.1' };
const song = makeAudio(path.join(folder, 'song.wav'), '0.4*sin(440*t)|0.3*sin(300*t)', {
  seconds: 6,
});
const SETTINGS = { DEMUCS_THREADS: '1', WORKER_CONCURRENCY: '1' };

const first = await startService({ after }, ['serve'], SETTINGS);
const undisturbed = await untilCompleted(first, await submit(first, song, FIELDS));
const expected = checksums(undisturbed);

const untilMiddle = (service: TestService, id: string) =>
  untilJob(service, id, ({ stage, progress }) => stage === 'separating' && progress > 30);

// Most of their time they wait for leases to run out.
describe('a service', { concurrency: true }, () => {
  it('that is told to stop hands its job back; the next start goes on with it', async () => {
    const service = await startService({ after }, ['serve'], SETTINGS);
    const id = await submit(service, song, FIELDS);
    await untilJob(service, id, ({ stage }) => stage === 'separating');
    const events = await fetch(`${service.url}/api/v1/jobs/${id}/events`);
    const streamed = events.text();

    const { signal } = await service.kill('SIGTERM');
    assert.equal(signal, 'SIGTERM');
    await streamed;
    await until(() => processesOf(service).length === 0, 'the end of its processes');

    const next = await startService({ after }, ['serve'], {
      ...SETTINGS,
      DATA_DIR: service.dataDir,
    });
    const job = await untilCompleted(next, id);
    assert.deepEqual(checksums(job), expected);
    await next.kill('SIGTERM');
  });

  it('ends at once on a second signal, by it', async () => {
    const service = await startService({ after }, ['serve'], SETTINGS);
    const id = await submit(service, song, { model: 'slow' });
    await untilJob(service, id, ({ stage }) => stage === 'separating');
    void service.kill('SIGTERM');
    await until(() => service.logs().some(({ event }) => event === 'stopping'), 'the stop');
    // Terminals and npm tell the same signal twice; this is another one.
    const again = setInterval(() => void service.kill('SIGINT'), 100);
    const { signal } = await service.ended;
    clearInterval(again);
    assert.equal(signal, 'SIGINT');
    await until(() => processesOf(service).length === 0, 'the end of its processes');
  });

  it('that is killed takes all its processes along, and loses no job', async () => {
    const service = await startService({ after }, ['serve'], SETTINGS);
    const id = await submit(service, song, FIELDS);
    await untilMiddle(service, id);
    await service.kill('SIGKILL');
    await until(() => processesOf(service).length === 0, 'the end of its processes');

    const next = await startService({ after }, ['serve'], {
      ...SETTINGS,
      DATA_DIR: service.dataDir,
    });
    assert.ok(await jobOf(next, id));
    assert.deepEqual(checksums(await untilCompleted(next, id)), expected);
    await next.kill('SIGTERM');
  });

  it('goes on after kill -9 of its worker with the same bytes', async () => {
    const service = first;
    // Its result would be taken.
    await ask(service, `/jobs/${undisturbed.job_id}`, { method: 'DELETE' });
    const id = await submit(service, song, FIELDS);
    await untilMiddle(service, id);
    process.kill(service.pids('worker').at(-1)!, 'SIGKILL');
    await untilJob(service, id, ({ attempts }) => attempts === 2);
    const job = await untilCompleted(service, id);
    assert.deepEqual(checksums(job), expected);
    const text = await (await fetch(service.metricsUrl)).text();
    assert.match(text, /^demucs_process_restarts_total\{role="worker"\} 1$/m);
    await service.kill('SIGTERM');
  });
});
