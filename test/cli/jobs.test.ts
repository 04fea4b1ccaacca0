/** `oxboard jobs` and `oxboard workers` against a running API. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { ANNOUNCEMENT, startApi, submit, takeJob } from '../support/api.js';
import { oxboard } from '../support/cli.js';
import { ALICE, bearer, BOB } from '../support/tenants.js';

const ADMIN = 'the-operator-8d1f3a5c77';
/** A worker that is not heard of for some seconds is gone. */
after(() => clearInterval(heartbeat));
const api = await startApi({ after }, { apiKeys: [ALICE, BOB], config: { adminKey: ADMIN } });

const heartbeat = setInterval(() => {
  api.workers.announce(ANNOUNCEMENT).catch(() => undefined);
}, 2_000);

const run = (args: string, env: Record<string, string> = { OXBOARD_ADMIN_KEY: ADMIN }) =>
  oxboard([...args.split(' '), '--url', api.url], { env });

const failed = await submit(api, { seed: '1' }, 'alice.wav', bearer(ALICE));
await api.claims.fail(await takeJob(api), { code: 'INTERNAL', message: 'A defect' });
const waiting = await submit(api, { seed: '2' }, 'bob.wav', bearer(BOB));

void describe('oxboard jobs', () => {
  it('lists the jobs of all clients for the operator, and their own for others', async () => {
    const [all, own] = await Promise.all([
      run('jobs list'),
      run('jobs list --json', { OXBOARD_API_KEY: BOB }),
    ]);
    assert.equal(all.status, 0, all.stderr);
    const lines = all.stdout.trim().split('\n');
    assert.match(lines[0] ?? '', /^JOB +STATUS +AGE +SONG$/);
    assert.match(lines[1] ?? '', new RegExp(`^${waiting}  pending +\\d+[sm] +bob.wav$`));
    assert.match(lines[2] ?? '', new RegExp(`^${failed}  failed .*alice.wav: A`));
    const jobs = JSON.parse(own.stdout) as { id: string }[];
    assert.deepEqual(
      jobs.map(({ id }) => id),
      [waiting],
    );
  });

  it('tries again, shows and cancels', async () => {
    const retried = await run(`jobs retry ${failed}`);
    assert.equal(retried.stderr, `${failed} (alice.wav): pending\n`);
    const cancelled = await run(`jobs cancel ${failed}`, { OXBOARD_API_KEY: ALICE });
    assert.equal(cancelled.stderr, `${failed} (alice.wav): cancelled\n`);
    const shown = JSON.parse((await run(`jobs show ${failed}`)).stdout) as { status: string };
    assert.equal(shown.status, 'cancelled');
    for (const env of [{ OXBOARD_ADMIN_KEY: ADMIN }, { OXBOARD_API_KEY: ALICE }]) {
      const again = await run(`jobs cancel ${failed}`, env);
      assert.equal(again.status, 1);
      assert.match(again.stderr, /JOB_ENDED/);
    }
    assert.match((await run(`jobs show ${failed}`)).stdout, /cancelled/);
  });

  it('says what is missing: a key, the right key, a service', async () => {
    const [none, wrong, retry, nobody, limit] = await Promise.all([
      run('jobs list', {}),
      run('jobs list', { OXBOARD_ADMIN_KEY: 'wrong' }),
      run(`jobs retry ${failed}`, { OXBOARD_API_KEY: ALICE }),
      oxboard(['jobs', 'list', '--url', 'http://127.0.0.1:1']),
      run('jobs list --limit 1000'),
    ]);
    assert.match(none.stderr, /API_KEY_REQUIRED\). Set OXBOARD_API_KEY/);
    assert.match(wrong.stderr, /ADMIN_KEY_INVALID\). Set OXBOARD_ADMIN_KEY/);
    assert.match(retry.stderr, /OXBOARD_ADMIN_KEY/);
    assert.match(nobody.stderr, /does not answer.*oxboard serve/);
    assert.match(limit.stderr, /1 to 100 for --limit/);
    assert.deepEqual(
      [none, wrong, retry, nobody, limit].map(({ status }) => status),
      [1, 1, 2, 1, 2],
    );
  });
});

void describe('oxboard workers', () => {
  it('lists the workers and what each runs', async () => {
    const claim = await takeJob(api);
    await api.claims.progress(claim, { stage: 'separating', progress: 41 });
    const { stdout, stderr } = await run('workers');
    assert.match(stdout, /^worker-1 +cpu +1\/1 +0\.0\.0 +bob\.wav 41%$/m);
    assert.match(stderr, /^Workers: 1\. Jobs running: 1, waiting: 0\./);
    const { workers } = JSON.parse((await run('workers --json')).stdout) as {
      workers: { jobs: { id: string }[] }[];
    };
    assert.equal(workers[0]?.jobs[0]?.id, waiting);
  });
});
