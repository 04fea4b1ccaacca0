/** What the operator can do with the jobs of all tenants, and that nobody else can. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { adminJob } from '../../src/http/admin-job.js';
import { adminJobList, queueDocument, workersDocument } from '../../src/http/routes/admin.js';
import { jobDocument } from '../../src/http/job-document.js';
import { ANNOUNCEMENT, startApi, submit, takeJob, type TestApi } from '../support/api.js';
import { assertProblem, call } from '../support/contract.js';
import { ALICE, as, bearer, BOB } from '../support/tenants.js';

const ADMIN = 'the-operator-8d1f3a5c77';
const api = await startApi({ after }, { apiKeys: [ALICE, BOB], config: { adminKey: ADMIN } });
const ask = (path: string, key = ADMIN, at: TestApi = api) => call(at, `/admin${path}`, as(key));
const act = (path: string) => call(api, `/admin${path}`, as(ADMIN, { method: 'POST' }));
const statusOf = async (id: string, key: string) =>
  (await call(api, `/jobs/${id}`, as(key))).as(jobDocument).status;

void describe('without ADMIN_KEY', () => {
  it('there is no /admin', async (context) => {
    const other = await startApi(context, { apiKeys: [ALICE] });
    for (const path of ['/queue', '/workers', '/jobs'])
      for (const key of [ALICE, ADMIN, 'undefined']) {
        const answer = await fetch(`${other.url}/api/v1/admin${path}`, as(key));
        const { code } = (await answer.json()) as { code: string };
        assert.deepEqual([answer.status, code], [404, 'PATH_NOT_FOUND']);
      }
    const { body } = await call(other, '/openapi.json');
    const { paths } = body as { paths: Record<string, object> };
    assert.deepEqual(
      Object.keys(paths).filter((path) => path.includes('admin')),
      [],
    );
  });
});

void describe('the operator', () => {
  it('sees the jobs of all tenants and whose they are, without their audio', async () => {
    const ofAlice = await submit(api, { seed: '1' }, 'alice.wav', bearer(ALICE));
    const ofBob = await submit(api, { seed: '2' }, 'bob.wav', bearer(BOB));
    const { jobs } = (await ask('/jobs')).as(adminJobList);
    assert.deepEqual(
      jobs.map(({ job_id, name }) => ({ job_id, name })),
      [
        { job_id: ofBob, name: 'bob.wav' },
        { job_id: ofAlice, name: 'alice.wav' },
      ],
    );
    assert.notEqual(jobs[0]?.tenant, jobs[1]?.tenant);
    assert.doesNotMatch(JSON.stringify(jobs), /token|url":"/);
    const page = (await ask('/jobs?limit=1')).as(adminJobList);
    const rest = (await ask(`/jobs?cursor=${page.next_cursor}`)).as(adminJobList);
    assert.deepEqual([...page.jobs, ...rest.jobs], jobs);

    const claim = await takeJob(api);
    await api.workers.announce(ANNOUNCEMENT);
    const { workers } = (await ask('/workers')).as(workersDocument);
    assert.deepEqual(
      workers.map(({ id, jobs: running }) => ({ id, jobs: running.map(({ job_id }) => job_id) })),
      [{ id: 'worker-1', jobs: [claim.job.id] }],
    );
    const queue = (await ask('/queue')).as(queueDocument);
    assert.deepEqual([queue.paused, queue.pending, queue.processing], [false, 1, 1]);
    assert.equal(queue.lanes.short.jobs, 1);
    for (const id of [ofAlice, ofBob]) await act(`/jobs/${id}/cancel`);
  });

  it('cancels any job that has not ended, and removes none', async () => {
    const waiting = await submit(api, { seed: '3' }, undefined, bearer(ALICE));
    assert.equal((await act(`/jobs/${waiting}/cancel`)).as(adminJob).status, 'cancelled');
    assertProblem(await act(`/jobs/${waiting}/cancel`), 409, 'JOB_ENDED');
    assert.equal(await statusOf(waiting, ALICE), 'cancelled');

    const running = await submit(api, { seed: '4' }, undefined, bearer(BOB));
    const claim = await takeJob(api);
    const revoked = new Promise((resolve) => api.claims.onRevoked(claim, resolve));
    await act(`/jobs/${running}/cancel`);
    assert.equal(await revoked, 'cancelled');
    const unknown = '00000000-0000-4000-8000-000000000000';
    assertProblem(await act(`/jobs/${unknown}/cancel`), 404, 'JOB_NOT_FOUND');
    assertProblem(await act(`/jobs/${unknown}/retry`), 404, 'JOB_NOT_FOUND');
  });

  it('tries a failed job again, with its song and all its attempts', async () => {
    const id = await submit(api, { seed: '5' }, undefined, bearer(ALICE));
    const claim = await takeJob(api);
    assertProblem(await act(`/jobs/${id}/retry`), 409, 'JOB_NOT_FAILED');
    await api.claims.fail(claim, { code: 'OUT_OF_MEMORY', message: 'The memory ran out' });
    assert.equal(await statusOf(id, ALICE), 'failed');

    const job = (await act(`/jobs/${id}/retry`)).as(adminJob);
    assert.deepEqual(
      [job.status, job.error, job.attempts, job.finished_at],
      ['pending', null, 0, null],
    );
    const again = await takeJob(api);
    assert.equal(again.job.id, id);
    const { source } = again.job.request;
    assert.ok(source.kind === 'upload' && (await api.storage.stat(source.key)));
    await act(`/jobs/${id}/cancel`);
  });

  it('pauses the queue: jobs are accepted and wait, until it is resumed', async () => {
    assert.equal((await act('/pause')).as(queueDocument).paused, true);
    const id = await submit(api, { seed: '6' }, undefined, bearer(ALICE));
    assert.equal(await api.claims.claim('worker-1', 'test'), undefined);
    const job = (await call(api, `/jobs/${id}`, as(ALICE))).as(jobDocument);
    assert.deepEqual([job.status, job.queue_position, job.eta_seconds], ['pending', 1, null]);
    assert.equal((await act('/resume')).as(queueDocument).paused, false);
    assert.equal((await takeJob(api)).job.id, id);
    await act(`/jobs/${id}/cancel`);
  });

  it('is in the log with each action', () => {
    const actions = api.logged().filter(({ event }) => event === 'admin_action');
    const { job_id: id } = actions.find(({ action }) => action === 'retry') ?? {};
    assert.match(String(id), /^[0-9a-f-]{36}$/);
    for (const action of ['cancel', 'retry', 'pause', 'resume'])
      assert.ok(actions.some((line) => line.action === action && line.client === '127.0.0.1'));
  });

  it('finds its routes in a valid OpenAPI document', async () => {
    const { body } = await call(api, '/openapi.json');
    const document = body as { paths: Record<string, object> };
    const result = await new Validator().validate(structuredClone(document));
    assert.ok(result.valid, JSON.stringify(result.errors));
    assert.ok('/api/v1/admin/jobs/{id}/retry' in document.paths);
  });
});

void describe('ADMIN_KEY', () => {
  it('is asked for in the header, and is no API key', async () => {
    for (const path of ['/queue', `/queue?token=${ADMIN}`, `/queue?key=${ADMIN}`]) {
      const answer = await call(api, `/admin${path}`);
      assertProblem(answer, 401, 'ADMIN_KEY_INVALID');
      assert.equal(answer.headers.get('www-authenticate'), 'Bearer realm="oxboard admin"');
    }
    assertProblem(await ask('/queue', ALICE), 401, 'ADMIN_KEY_INVALID');
    assertProblem(await call(api, '/jobs', as(ADMIN)), 401, 'API_KEY_INVALID');
  });

  it('may be used by many requests at once, and of many wrong ones at once no more are told apart', async (context) => {
    const other = await startApi(context, { config: { adminKey: ADMIN } });
    const statuses = async (key: string) =>
      (await Promise.all(Array.from({ length: 40 }, () => ask('/queue', key, other)))).map(
        ({ status }) => status,
      );
    assert.deepEqual(new Set(await statuses(ADMIN)), new Set([200]));
    const wrong = await statuses('wrong');
    assert.equal(wrong.filter((status) => status === 401).length, 20);
    assert.equal(wrong.filter((status) => status === 429).length, 20);
  });

  it('cannot be found by trying: wrong ones are logged, and soon the right one is refused', async (context) => {
    const other = await startApi(context, { config: { adminKey: ADMIN } });
    let answer = await ask('/queue', 'wrong-0', other);
    for (let tries = 1; answer.status === 401 && tries < 100; tries++)
      answer = await ask('/queue', `wrong-${tries}`, other);
    assertProblem(answer, 429, 'RATE_LIMITED');
    assertProblem(await ask('/queue', ADMIN, other), 429, 'RATE_LIMITED');
    const events = other.logged().map(({ event }) => event);
    assert.ok(events.includes('admin_refused') && events.includes('admin_blocked'));
    assert.ok(!JSON.stringify(other.logged()).includes('wrong-0'));
  });
});
