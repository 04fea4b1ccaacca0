/** From a link to stems: the real service, the real yt-dlp, and a site of the test's own. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import {
  downloadersIn,
  file,
  stalling,
  startMediaSite,
  type MediaSite,
} from '../support/media-site.js';
import {
  ask,
  jobOf,
  startService,
  submit,
  untilCompleted,
  untilJob,
  type TestService,
} from '../support/service.js';
import { until } from '../support/until.js';

const folder = temporaryFolder({ after });
const song = makeAudio(path.join(folder, 'A song.mp3'), 'random(1)|random(2)', { seconds: 3 });
const bytes = readFileSync(song);
const site = await startMediaSite({ after }, {
  '/A%20song.mp3': file(bytes),
  '/words.mp3': file(Buffer.from('no audio at all'.repeat(100))),
} satisfies MediaSite['pages']);

const start = (env: Record<string, string> = {}) =>
  startService({ after }, ['serve'], { YOUTUBE_ALLOWED_HOSTS: site.host, ...env });

async function post(service: TestService, link: string): Promise<string> {
  const body = new FormData();
  body.set('youtube_url', site.url(link));
  body.set('seed', '1');
  const answer = await ask<{ job_id: string }>(service, '/stemify', { method: 'POST', body });
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  return answer.body.job_id;
}

/** Messages of a job, from its beginning to its end. */
async function history({ url }: TestService, id: string) {
  const response = await fetch(`${url}/api/v1/jobs/${id}/events`);
  return (await response.text())
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => JSON.parse(line.slice(6)) as { stage: string; progress: number });
}

/** Until yt-dlp, which looks at a page first, is in the middle of the song. */
async function downloading(service: TestService, id: string, link: string): Promise<void> {
  const before = site.asked.length;
  await untilJob(service, id, ({ stage }) => stage === 'downloading');
  const times = () => site.asked.slice(before).filter((path) => path === link).length;
  await until(() => times() === 2, 'the download');
}
const downloads = ({ dataDir }: TestService) => path.join(dataDir, 'downloads');
const noYtDlp = (service: TestService) =>
  until(() => downloadersIn(downloads(service)).length === 0, 'the end of yt-dlp');
/** Leftovers of downloads; what yt-dlp knows of a site is none. */
const leftovers = (service: TestService) =>
  readdirSync(downloads(service), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.includes('song'),
  );

// Most of their time they wait for a lease to run out, and for Python.
describe('a link that is posted', { concurrency: true }, () => {
  it('comes to stems, the same as those of the file', async () => {
    const service = await start();
    const id = await post(service, '/A%20song.mp3');
    const messages = await history(service, id);
    const job = await untilCompleted(service, id);
    const stages = messages.map(({ stage }) => stage);
    assert.ok(stages.indexOf('downloading') < stages.indexOf('separating'), stages.join());
    const progress = messages.map((message) => message.progress);
    assert.deepEqual(
      progress,
      [...progress].sort((a, b) => a - b),
    );

    const { body } = await ask(service, `/jobs/${id}`);
    assert.equal(body.name, 'A song.mp3');
    assert.equal(body.youtube_url, site.url('/A%20song.mp3'));
    assert.ok(Math.abs(Number(body.duration_seconds) - 3) < 0.1);
    const [stem] = Object.values(job.result?.stems ?? {});
    const audio = await fetch(`${service.url}${stem?.url ?? ''}`);
    assert.match(audio.headers.get('content-disposition') ?? '', /A song - /);
    assert.equal((await audio.arrayBuffer()).byteLength, stem?.size_bytes);

    const upload = await untilCompleted(service, await submit(service, song, { seed: '1' }));
    assert.deepEqual(
      Object.values(upload.result!.stems).map(({ sha256 }) => sha256),
      Object.values(job.result!.stems).map(({ sha256 }) => sha256),
    );
    assert.equal(
      (upload.result as unknown as { cached: boolean }).cached,
      true,
      'one work for both',
    );
    assert.deepEqual(leftovers(service), []);
    const metrics = await (await fetch(service.metricsUrl)).text();
    assert.match(metrics, /demucs_downloads_total\{outcome="completed"\} 1/);
  });

  it('and fails, tells why, and is no failure of the service', async () => {
    const service = await start();
    const failed = async (link: string, code: string) => {
      const id = await post(service, link);
      const job = await until(async () => {
        const now = await jobOf(service, id);
        return now?.status === 'failed' && now;
      }, 'the end');
      assert.equal(job.error_code, code);
    };
    await Promise.all([
      failed('/nothing.mp3', 'YOUTUBE_UNAVAILABLE'),
      failed('/words.mp3', 'INPUT_NOT_AUDIO'),
    ]);
    const metrics = await (await fetch(service.metricsUrl)).text();
    assert.match(metrics, /demucs_jobs_total\{status="download_failed"\} 2/);
    assert.match(metrics, /demucs_downloads_total\{outcome="YOUTUBE_UNAVAILABLE"\} 1/);
    assert.doesNotMatch(metrics, /demucs_jobs_total\{status="failed"\}/);
    assert.deepEqual(leftovers(service), []);
  });

  it('and cancelled, is no more downloaded, nor when the service ends', async () => {
    site.pages['/cancelled.mp3'] = stalling(bytes);
    const service = await start();
    const id = await post(service, '/cancelled.mp3');
    await downloading(service, id, '/cancelled.mp3');
    assert.notDeepEqual(downloadersIn(downloads(service)), []);
    const { status } = await ask(service, `/jobs/${id}`, { method: 'DELETE' });
    assert.equal(status, 204);
    await noYtDlp(service);
    assert.equal((await jobOf(service, id))?.status, 'cancelled');
    await until(() => leftovers(service).length === 0, 'no leftovers');

    const other = await post(service, '/cancelled.mp3');
    await downloading(service, other, '/cancelled.mp3');
    assert.equal((await service.kill('SIGTERM')).signal, 'SIGTERM');
    assert.deepEqual(downloadersIn(downloads(service)), []);
    assert.deepEqual(leftovers(service), []);
  });

  it('and lost with its worker, is downloaded again', async () => {
    site.pages['/lost.mp3'] = stalling(bytes);
    const service = await start();
    const id = await post(service, '/lost.mp3');
    await downloading(service, id, '/lost.mp3');
    const [worker] = service.pids('worker');
    assert.ok(worker);
    process.kill(worker, 'SIGKILL');
    // Its only way out has gone with the worker.
    await noYtDlp(service);
    site.pages['/lost.mp3'] = file(bytes);
    await untilCompleted(service, id);
    const attempts = service
      .logs()
      .filter(({ event, job_id }) => event === 'download_started' && job_id === id)
      .map(({ attempt }) => attempt);
    assert.deepEqual(attempts, [1, 2]);
    assert.deepEqual(leftovers(service), []);
  });
});
