/** Workers that are killed: real processes, `kill -9`. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { JobOptions } from '../../src/options.js';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { until } from '../support/until.js';
import { startService } from '../support/worker.js';

type Service = Awaited<ReturnType<typeof startService>>;

const program = fileURLToPath(new URL('child.ts', import.meta.url));
const folder = temporaryFolder({ after });
const song = makeAudio(path.join(folder, 'song.wav'), 'random(7)|random(8)', { seconds: 4 });
const REQUEST = {
  stems: ['bass', 'vocals'],
  segment: 1,
  overlap: 0.7,
  shifts: 2,
  seed: 5,
  bitDepth: '24',
} satisfies Partial<JobOptions>;

async function startChild(
  { redisUrl, dataDir }: Service,
  held: 'all' | 'after-checkpoint' = 'all',
): Promise<ChildProcess> {
  const settings = JSON.stringify({ redisUrl, dataDir });
  const child = spawn(process.execPath, ['--import', 'tsx', program, settings, held], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const closed = once(child, 'close');
  child.kill(signal);
  await closed;
}

const workFolders = ({ dataDir }: Service) => readdirSync(path.join(dataDir, 'work'));

describe('a worker that is killed', () => {
  it('is made up for by the next, from where it was and with the same bytes', async (context) => {
    const service = await startService(context);
    const first = await startChild(service, 'after-checkpoint');
    const { id } = await service.admit(song, REQUEST);
    await service.checkpointed(id);
    await end(first, 'SIGKILL');
    await service.endLease(id);
    assert.equal(workFolders(service).length, 1, 'what it left');

    const next = await service.startWorker();
    assert.equal(workFolders(service).length, 1, 'what the next one has made');
    const resumed = await service.finished(id);
    assert.equal(resumed.status, 'completed');
    assert.equal(resumed.attempts, 2);
    assert.equal(await next.metric('demucs_job_resumes_total'), 1);
    await service.gone('checkpoints/');

    await service.cancel(id);
    const undisturbed = await service.finished((await service.admit(song, REQUEST)).id);
    assert.equal(undisturbed.cached, false);
    assert.deepEqual(
      Object.values(resumed.result!.stems).map(({ sha256 }) => sha256),
      Object.values(undisturbed.result!.stems).map(({ sha256 }) => sha256),
    );
  });

  it('again and again costs a job nothing while its checkpoints move', async (context) => {
    const service = await startService(context);
    const { id } = await service.admit(song, REQUEST);
    const job = () => service.jobs.get(id, 'all');
    for (let attempt = 1; attempt <= 3; attempt++) {
      const before = await service.checkpointOf(id);
      // It writes one checkpoint more, and waits then.
      const child = await startChild(service, 'after-checkpoint');
      await until(async () => (await service.checkpointOf(id)) !== before, 'one more checkpoint');
      await end(child, 'SIGKILL');
      assert.equal((await job())?.attempts, attempt);
      await service.endLease(id);
    }
    await service.startWorker();
    assert.equal((await service.finished(id)).status, 'completed');
    assert.equal((await job())?.attempts, 4);
  });

  it('three times by the same job does not get it again', async (context) => {
    const service = await startService(context);
    const { id } = await service.admit(song, REQUEST);
    for (let attempt = 1; attempt <= 3; attempt++) {
      const child = await startChild(service);
      await service.reached(
        id,
        async ({ stage }) =>
          stage !== 'waiting' && (await service.jobs.get(id, 'all'))?.attempts === attempt,
      );
      await end(child, 'SIGKILL');
      await service.endLease(id);
    }
    const worker = await service.startWorker();
    const job = await service.finished(id);
    assert.equal(job.status, 'failed');
    assert.equal(job.error?.code, 'ATTEMPTS_EXHAUSTED');
    assert.equal(await worker.metric('demucs_job_attempts_total'), 0);
    await service.gone('checkpoints/');
  });

  it('kindly ends its work first', async (context) => {
    const service = await startService(context);
    const child = await startChild(service);
    const { id } = await service.admit(song, REQUEST);
    await service.reached(id, ({ stage }) => stage === 'separating');
    await end(child, 'SIGTERM');
    assert.equal(child.exitCode, 0);
    assert.equal((await service.finished(id)).status, 'completed');
    assert.deepEqual(workFolders(service), []);
  });
});
