/** An upload goes on after the process of the API that took it was killed. */
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, it } from 'node:test';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { ask, startService, untilCompleted } from '../support/service.js';
import { sendSome, TUS } from '../support/tus.js';
import { until } from '../support/until.js';

void it('an upload goes on at its offset after kill -9 of the API', async () => {
  const folder = temporaryFolder({ after });
  const song = readFileSync(
    makeAudio(path.join(folder, 'song.wav'), '0.1*sin(440*t)|0.1*sin(441*t)'),
  );
  const service = await startService({ after }, ['serve']);
  const begun = await ask(service, '/uploads', {
    method: 'POST',
    headers: { ...TUS, 'Upload-Length': String(song.length) },
  });
  const id = begun.headers.get('location')!.split('/').at(-1)!;
  const cut = sendSome({ port: Number(new URL(service.url).port) }, id, {
    offset: 0,
    length: song.length,
    bytes: song.subarray(0, 70_000),
  });
  const stored = path.join(service.dataDir, 'storage', 'resumable', id, 'song');
  await until(() => statSync(stored).size === 70_000);
  for (const pid of service.pids('api')) process.kill(pid, 'SIGKILL');
  cut.destroy();

  // The lock of the process that was killed has to run out.
  const { headers } = await until(async () => {
    const answer = await ask(service, `/uploads/${id}`, { method: 'HEAD', headers: TUS }).catch(
      () => undefined,
    );
    return answer?.status === 200 && answer;
  }, 'the API after its death');
  assert.equal(headers.get('upload-offset'), '70000');
  const rest = await ask(service, `/uploads/${id}`, {
    method: 'PATCH',
    headers: {
      ...TUS,
      'Upload-Offset': '70000',
      'Content-Type': 'application/offset+octet-stream',
    },
    body: new Uint8Array(song.subarray(70_000)),
  });
  assert.equal(rest.status, 204);
  const form = new FormData();
  form.set('upload_id', id);
  const { status, body } = await ask<{ job_id: string }>(service, '/stemify', {
    method: 'POST',
    body: form,
  });
  assert.equal(status, 202, JSON.stringify(body));
  await untilCompleted(service, body.job_id);
  await service.kill('SIGTERM');
});
