/** From a link to a file to stems: the real service, and a site of the test's own. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { file, startMediaSite } from '../support/media-site.js';
import { ask, checksums, startService, submit, untilCompleted } from '../support/service.js';
import { until } from '../support/until.js';

const folder = temporaryFolder({ after });
const song = makeAudio(path.join(folder, 'A song.mp3'), 'random(1)|random(2)', { seconds: 3 });

void test('a link to a file comes to the stems of the file, and its query is told nowhere', async () => {
  const site = await startMediaSite(
    { after },
    {
      '/A%20song.mp3?key=secret': file(readFileSync(song)),
      '/words.mp3?key=secret': file(Buffer.from('no audio at all'.repeat(100))),
    },
  );
  const service = await startService({ after }, ['serve'], { SOURCE_URL_HOSTS: site.host });
  const post = async (link: string): Promise<string> => {
    const body = new FormData();
    body.set('source_url', site.url(link));
    body.set('seed', '1');
    const answer = await ask<{ job_id: string }>(service, '/stemify', { method: 'POST', body });
    assert.equal(answer.status, 202, JSON.stringify(answer.body));
    return answer.body.job_id;
  };
  const id = await post('/A%20song.mp3?key=secret');
  const job = await untilCompleted(service, id);
  const upload = await untilCompleted(service, await submit(service, song, { seed: '1' }));
  assert.deepEqual(checksums(job), checksums(upload));
  const { body } = await ask(service, `/jobs/${id}`);
  assert.equal(body.name, 'A song.mp3');
  assert.equal(body.source_url, site.url('/A%20song.mp3'));

  const wrong = await post('/words.mp3?key=secret');
  const failed = await until(async () => {
    const now = (await ask(service, `/jobs/${wrong}`)).body;
    return now.status === 'failed' && now;
  }, 'the end');
  assert.equal(failed.error_code, 'INPUT_NOT_AUDIO');
  for (const told of [job, failed, service.logs()]) {
    assert.doesNotMatch(JSON.stringify(told), /secret/);
  }
  const leftovers = readdirSync(path.join(service.dataDir, 'downloads'), { recursive: true });
  assert.ok(!leftovers.some((name) => String(name).includes('song')));
});
