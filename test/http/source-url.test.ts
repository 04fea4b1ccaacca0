/** Links to files, as the API takes them. What becomes of them: test/intake/source-url. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { jobDocument } from '../../src/http/job-document.js';
import { accepted } from '../../src/http/routes/stemify.js';
import { form, startApi, type TestApi } from '../support/api.js';
import { assertProblem, call } from '../support/contract.js';

const LINK = 'https://files.example.org/My%20song.mp3?X-Signature=secret#t=10';
const api = await startApi({ after }, { config: { sourceUrlHosts: ['*'] } });

const send = (
  fields: Record<string, string | string[]>,
  to: TestApi = api,
  headers: Record<string, string> = {},
) => call(to, '/stemify', { method: 'POST', body: form(undefined, fields), headers });

describe('a link to a file that is posted', () => {
  it('makes a job that waits for its download, and tells its query nowhere', async () => {
    const made = (await send({ source_url: LINK })).as(accepted);
    // The longest song is 60 s: twelve segments at twice the speed of the song.
    assert.ok(made.estimated_duration > 30);
    const answer = await call(api, `/jobs/${made.job_id}`);
    const job = answer.as(jobDocument);
    assert.equal(job.status, 'pending');
    assert.equal(job.name, 'My song.mp3');
    assert.equal(job.source_url, 'https://files.example.org/My%20song.mp3');
    assert.equal(job.youtube_url, null);
    assert.equal(await api.claims.claim('worker-1', 'test'), undefined, 'no worker gets it so far');
    const list = await call(api, '/jobs');
    for (const told of [answer.body, list.body, api.logged()]) {
      assert.doesNotMatch(JSON.stringify(told), /secret/);
    }
  });

  it('is one job for each Idempotency-Key, and no link to a video', async (context) => {
    const hosts = { sourceUrlHosts: ['youtu.be'] };
    const both = await startApi(context, { config: hosts });
    const key = { 'Idempotency-Key': 'link' };
    const link = 'https://youtu.be/a';
    const first = (await send({ source_url: link }, both, key)).as(accepted);
    assert.equal((await send({ source_url: link }, both, key)).as(accepted).job_id, first.job_id);
    assertProblem(await send({ youtube_url: link }, both, key), 409, 'IDEMPOTENCY_CONFLICT');
    assertProblem(await send({ source_url: `${link}?b` }, both, key), 409, 'IDEMPOTENCY_CONFLICT');
  });

  it('is refused at once when anything about it is wrong', async () => {
    const refused: [string | string[], string, RegExp][] = [
      ['song.mp3?secret', 'INVALID_OPTION', /URL of a file, .* for source_url but .*"song\.mp3"/],
      ['ftp://example.org/?secret', 'INVALID_OPTION', /http or https/],
      [`https://example.org/${'a'.repeat(2048)}`, 'INVALID_OPTION', /for source_url/],
      [[LINK, LINK], 'INVALID_OPTION', /for source_url but received array/],
      ['https://a:secret@example.org/a.mp3', 'INVALID_OPTION', /user name or password/],
      ['https://example.org:8443/a.mp3', 'INVALID_OPTION', /port 8443; only 80 and 443/],
      ['http://127.0.0.1/a.mp3?secret', 'ADDRESS_NOT_PUBLIC', /127\.0\.0\.1 is in a private/],
      ['http://0x7f.1/', 'ADDRESS_NOT_PUBLIC', /private network/],
      ['http://localhost/', 'ADDRESS_NOT_PUBLIC', /private network/],
      ['http://[fd00::1]/', 'ADDRESS_NOT_PUBLIC', /private network/],
    ];
    for (const [link, code, detail] of refused) {
      const told = assertProblem(await send({ source_url: link }), 422, code);
      assert.match(told, detail);
      assert.doesNotMatch(told, /secret/);
    }
    assert.match(
      assertProblem(
        await send({ source_url: LINK, youtube_url: 'https://youtu.be/a' }),
        422,
        'INVALID_OPTION',
      ),
      /^The form has a youtube_url and a source_url\. Send only one of them$/,
    );
    assert.doesNotMatch(JSON.stringify(api.logged()), /secret/);
  });

  it('leads to hosts of SOURCE_URL_HOSTS only, and nowhere without it', async (context) => {
    const listed = await startApi(context, {
      config: { sourceUrlHosts: ['files.example.org', '10.0.0.1:9000'] },
    });
    for (const link of [LINK, 'http://files.example.org/', 'http://10.0.0.1:9000/a.mp3']) {
      assert.equal((await send({ source_url: link }, listed)).status, 202, link);
    }
    for (const link of ['https://example.org/', 'http://10.0.0.1/', 'http://10.0.0.1:9001/']) {
      const answer = await send({ source_url: link }, listed);
      assert.match(
        assertProblem(answer, 422, 'SOURCE_URL_HOST_NOT_ALLOWED'),
        /only from files\.example\.org, 10\.0\.0\.1:9000$/,
      );
    }
    const off = await startApi(context);
    assert.match(
      assertProblem(await send({ source_url: LINK }, off), 422, 'SOURCE_URL_DISABLED'),
      /SOURCE_URL_HOSTS/,
    );
  });
});
