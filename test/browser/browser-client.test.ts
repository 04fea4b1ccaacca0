/** The page of examples/browser-client, on a site of its own. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { after, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { startService } from '../support/service.js';
import { closePage, openPage } from './browser.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The address of the service that the example names. */
const NAMED = 'http://localhost:8000';
const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript' };

const folder = temporaryFolder({ after });

/** Serves the example as its folder is after `npm install`. */
async function startSite(serviceUrl: () => string): Promise<string> {
  const server = createServer(({ url = '' }, response) => {
    const file = url.startsWith('/node_modules/oxboard-demucs/')
      ? url.replace('/node_modules/oxboard-demucs', '')
      : url.replace(/^\/$/, '/examples/browser-client/index.html');
    if (url === '/favicon.ico') {
      response.writeHead(204).end();
      return;
    }
    const text = readFileSync(path.join(ROOT, file), 'utf8').replace(NAMED, serviceUrl());
    response.setHeader('Content-Type', TYPES[path.extname(file)] ?? 'text/plain').end(text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
}

void it('separates a song from a page of another origin, and plays its vocals', async () => {
  let serviceUrl = '';
  const site = await startSite(() => serviceUrl);
  const service = await startService({ after }, ['serve'], { API_CORS_ORIGINS: site });
  serviceUrl = service.url;

  const page = await openPage(site);
  const song = makeAudio(path.join(folder, 'song.wav'), '0.3*sin(440*t)|0.3*sin(300*t)', {
    seconds: 3,
  });
  await page.getByLabel('Song').setInputFiles(song);
  await page.getByText('song.wav is separated.').waitFor();
  const seconds = await page.locator('audio').evaluate(async (audio: HTMLAudioElement) => {
    audio.muted = true;
    await audio.play();
    return audio.duration;
  });
  assert.ok(Math.abs(seconds - 3) < 0.1, `the vocals have ${String(seconds)} seconds`);
  await closePage(page, /^request to /);
  await service.kill('SIGTERM');
});

void it('sends a large song in parts, and goes on after a cut connection', async () => {
  let serviceUrl = '';
  const site = await startSite(() => serviceUrl);
  const service = await startService({ after }, ['serve'], { API_CORS_ORIGINS: site });
  serviceUrl = service.url;
  const song = path.join(folder, 'large.wav');
  // 23 MB of 15 seconds.
  execFileSync('ffmpeg', [
    ...['-v', 'error', '-f', 'lavfi', '-i', 'aevalsrc=0.3*sin(440*t)|0.3*sin(300*t):s=192000:d=15'],
    ...['-c:a', 'pcm_f32le', song],
  ]);
  const page = await openPage(site);
  const asked: string[] = [];
  await page.route('**/uploads/*', async (route) => {
    const method = route.request().method();
    asked.push(method);
    if (method === 'PATCH' && asked.length === 2) await route.abort('connectionreset');
    else await route.continue();
  });
  await page.getByLabel('Song').setInputFiles(song);
  await page.getByText('large.wav is separated.').waitFor();
  // The second of two parts was cut.
  assert.deepEqual(asked, ['PATCH', 'PATCH', 'HEAD', 'PATCH']);
  await closePage(page, /^request to |Failed to load resource/);
  await service.kill('SIGTERM');
});
