/** Links to videos, as the API takes them. What becomes of them: test/with-python/youtube*.test.ts. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { ANNOUNCEMENT, form, post, startApi } from '../support/api.js';

const api = await startApi({ after });
const URL = 'https://www.youtube.com/watch?v=dQw4w9WgXcQ';

async function send(
  fields: Record<string, string | string[]>,
  headers: Record<string, string> = {},
) {
  const response = await post(api, form(undefined, fields), headers);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

describe('a link that is posted', () => {
  it('makes a job that waits for its download', async () => {
    const { status, body } = await send({ youtube_url: `${URL}#t=10`, shifts: '2' });
    assert.equal(status, 202);
    // The longest that may be behind a link: 30 s and a half for the shift are six segments of
    // 5.85 s, two shifts, at twice the speed of the song.
    assert.ok(Math.abs(Number(body.estimated_duration) - 35.1) < 1e-6);
    const response = await fetch(`${api.url}/api/v1/jobs/${String(body.job_id)}`);
    const job = (await response.json()) as Record<string, unknown>;
    const { stage, name: name, youtube_url: link, duration_seconds: duration } = job;
    assert.deepEqual(
      { status: job.status, stage, name, link, duration },
      { status: 'pending', stage: 'waiting', name: URL, link: URL, duration: null },
    );
    assert.equal(job.model, ANNOUNCEMENT.defaultModel);
    assert.equal(await api.claims.claim('worker-1', 'test'), undefined, 'no worker gets it so far');
    assert.equal(
      (await fetch(`${api.url}/api/v1/jobs/${String(body.job_id)}`, { method: 'DELETE' })).status,
      204,
    );
  });

  it('is one job for each Idempotency-Key', async () => {
    const headers = { 'Idempotency-Key': 'link' };
    const first = await send({ youtube_url: URL }, headers);
    const again = await send({ youtube_url: URL }, headers);
    assert.equal(again.body.job_id, first.body.job_id);
    const other = await send({ youtube_url: 'https://youtu.be/aaaaaaaaaaa' }, headers);
    assert.equal(other.body.code, 'IDEMPOTENCY_CONFLICT');
  });

  it('is refused at once when anything about it is wrong', async () => {
    const refused: [Record<string, string | string[]>, string, RegExp][] = [
      [{ youtube_url: '-U' }, 'INVALID_OPTION', /URL of a video, .* for youtube_url/],
      [{ youtube_url: 'file:///etc/passwd' }, 'INVALID_OPTION', /for youtube_url/],
      [{ youtube_url: [URL, URL] }, 'INVALID_OPTION', /for youtube_url but received array/],
      [{ youtube_url: 'https://a:b@youtu.be/a' }, 'INVALID_OPTION', /user name or password/],
      [
        { youtube_url: 'http://127.0.0.1/' },
        'YOUTUBE_HOST_NOT_ALLOWED',
        /no links to 127\.0\.0\.1/,
      ],
      [{ youtube_url: 'http://2130706433:80/' }, 'YOUTUBE_HOST_NOT_ALLOWED', /to 127\.0\.0\.1/],
      [{ youtube_url: 'https://vimeo.com/1' }, 'YOUTUBE_HOST_NOT_ALLOWED', /only to .*youtu\.be/],
      [{ youtube_url: 'https://www.youtube.com/@x' }, 'YOUTUBE_PLAYLIST', /one video/],
      [{ youtube_url: URL, stems: 'piano' }, 'INVALID_OPTION', /for stems/],
      [{ youtube_url: URL, segment: '100' }, 'INVALID_OPTION', /for segment/],
      [{ youtube_url: URL, segment: '0.001' }, 'INVALID_OPTION', /longer segment/],
      [{ youtube_url: URL, model: 'mdx' }, 'MODEL_NOT_FOUND', /no model "mdx"/],
      [{}, 'INVALID_OPTION', /no song/],
    ];
    for (const [fields, code, detail] of refused) {
      const { status, body } = await send(fields);
      assert.deepEqual([status, body.code], [422, code], JSON.stringify(fields));
      assert.match(String(body.detail), detail);
    }
  });
});
