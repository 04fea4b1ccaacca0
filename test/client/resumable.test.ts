/** Large songs: the client goes on after a cut connection. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import { after, it, type TestContext } from 'node:test';
import { OxboardClient } from '../../src/client/index.js';
import { startApi, takeJob } from '../support/api.js';
import { temporaryFolder } from '../support/audio.js';
import { call } from '../support/contract.js';
import { head } from '../support/tus.js';
import { until } from '../support/until.js';

const CONFIG = { maxFileSize: 40_000_000, resumableUploadBytes: 80_000_000 };

/** 23 MB. */
function makeLongSong(): File {
  const file = path.join(temporaryFolder({ after }), 'long.wav');
  execFileSync('ffmpeg', [
    ...['-v', 'error', '-f', 'lavfi', '-i', 'anoisesrc=d=60:c=pink:r=48000:a=0.3'],
    ...['-ac', '2', '-t', '60', '-c:a', 'pcm_f32le', file],
  ]);
  return new File([readFileSync(file)], 'Ünïcode.wav');
}
const song = makeLongSong();

/** A way to the service that breaks connections which have carried `bytes`, so many times. */
async function startBrokenWay(context: TestContext, port: number, breaks: number, bytes: number) {
  const sockets = new Set<Socket>();
  const way = { url: '', carried: 0, left: breaks };
  const server = createServer((client) => {
    const service = connect(port, '127.0.0.1');
    let carried = 0;
    for (const socket of [client, service]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => [client, service].forEach((end) => end.destroy()));
    }
    client.on('data', (chunk) => {
      carried += chunk.length;
      way.carried += chunk.length;
      if (carried < bytes || way.left === 0) return;
      way.left--;
      client.destroy();
    });
    client.pipe(service).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  way.url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  return way;
}

void it('submit() sends a large song in parts, and after a cut only what is missing', async (context) => {
  const api = await startApi(context, { config: CONFIG });
  const way = await startBrokenWay(context, api.port, 2, 4_000_000);
  let sent = { sentBytes: 0, totalBytes: 0 };
  const { id } = await new OxboardClient({ baseUrl: way.url }).submit(
    song,
    { twoStems: 'vocals' },
    { onUpload: (progress) => (sent = progress) },
  );
  assert.equal(way.left, 0);
  assert.deepEqual(sent, { sentBytes: song.size, totalBytes: song.size });
  assert.ok(way.carried < song.size + 4_000_000, String(way.carried));

  const { job } = await takeJob(api);
  assert.equal(job.id, id);
  assert.equal(job.request.source.name, 'Ünïcode.wav');
  assert.equal(job.request.options.twoStems, 'vocals');
  const stored = await (await api.storage.read(job.request.source.key!)).toArray();
  assert.ok(Buffer.concat(stored as Buffer[]).equals(Buffer.from(await song.arrayBuffer())));
});

const uploadsOf = async ({ storage }: Awaited<ReturnType<typeof startApi>>): Promise<string[]> => {
  const ids = new Set<string>();
  for await (const { key } of storage.list('resumable/')) ids.add(key.split('/')[1]!);
  return [...ids];
};

void it('an abort, and a song that is refused, leave no open upload', async (context) => {
  const api = await startApi(context, { config: CONFIG });
  const client = new OxboardClient({ baseUrl: api.url });
  const stop = new AbortController();
  const aborted = client.submit(song, {}, { signal: stop.signal, onUpload: () => stop.abort() });
  await assert.rejects(aborted, { name: 'AbortError' });
  const noise = new File([new Uint8Array(20_000_001).fill(7)], 'noise.wav');
  await assert.rejects(client.submit(noise), { code: 'INPUT_NOT_AUDIO' });
  for (const id of await uploadsOf(api))
    await until(async () => (await head(api, id)).status === 404, 'the removal of the upload');
  const tooLarge = new File([new Uint8Array(40_000_001)], 'large.wav');
  await assert.rejects(client.submit(tooLarge), { code: 'FILE_TOO_LARGE' });
  assert.equal((await call(api, '/jobs')).status, 200);
});
