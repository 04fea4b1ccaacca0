/** What the page says when something is missing, refused, over or gone. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { startRedis } from '../support/redis.js';
import { freePort } from '../support/free-port.js';
import { ask, startService, submit, untilCompleted, untilJob } from '../support/service.js';
import { closePage, openPage } from './browser.js';

/** The browser's own line about an answer that is an error. */
const REFUSED = /Failed to load resource/;

const folder = temporaryFolder({ after });
const short = makeAudio(path.join(folder, 'short.wav'), '0.3*sin(440*t)|0.3*sin(300*t)', {
  seconds: 3,
});
const noAudio = path.join(folder, 'notes.mp3');
writeFileSync(noAudio, 'These are notes about a song.');
const KEY = 'a-key-of-twenty-letters';

void describe('refused songs', () => {
  it('are explained in the words of the service; limits are told before', async () => {
    const service = await startService({ after }, ['serve'], {
      API_RATE_LIMIT: '2',
      API_RATE_LIMIT_PERIOD: '7200',
      DEMUCS_MAX_FILE_SIZE: '600000',
      TRUST_PROXY: '1',
    });
    // A client from elsewhere: those on this machine may have no limit.
    const page = await openPage(service.url, {
      extraHTTPHeaders: { 'X-Forwarded-For': '203.0.113.7' },
    });
    await page.getByText('up to 600 KB and 10 minutes each; 2 songs in 2 hours').waitFor();

    const large = path.join(folder, 'large.wav');
    writeFileSync(large, Buffer.alloc(700_000));
    await page.setInputFiles('#songs', large);
    await page.getByText('The file is larger than').waitFor();

    await page.setInputFiles('#songs', noAudio);
    const failures = page.locator('.song-item .failure');
    await failures.nth(1).waitFor();
    assert.match(await failures.nth(1).innerText(), /audio/i);

    await page.setInputFiles('#songs', [short, short, short]);
    await page
      .getByText(/Try again in/)
      .first()
      .waitFor();
    await page.getByRole('button', { name: 'Dismiss: large.wav' }).click();
    assert.equal(await page.getByText('The file is larger than').count(), 0);
    await closePage(page, REFUSED);
    await service.kill('SIGTERM');
  });
});

void describe('a job', () => {
  it('is cancelled where it is shown, and deleted from the list', async () => {
    const service = await startService({ after }, ['serve'], { DEMUCS_DEFAULT_MODEL: 'slow' });
    const song = makeAudio(path.join(folder, 'long.wav'), '0.3*sin(440*t)|0.3*sin(300*t)', {
      seconds: 120,
    });
    const id = await submit(service, song, { shifts: '20' });
    await untilJob(service, id, ({ status }) => status === 'processing');
    const page = await openPage(service.url, { hash: `#/jobs/${id}` });
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await page.getByText('To try again, add the song once more.').waitFor();
    await untilJob(service, id, ({ status }) => status === 'cancelled');

    // The page has the song of a job that it has sent itself.
    await page.goto(`${service.url}/#/`);
    await page.setInputFiles('#songs', song);
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    const cancelled = page.url();
    await page.getByRole('button', { name: 'Try again', exact: true }).click();
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await page.getByRole('button', { name: 'Try again', exact: true }).waitFor();
    assert.notEqual(page.url(), cancelled, 'it is another job');
    for (const again of (await ask<{ jobs: { job_id: string }[] }>(service, '/jobs')).body.jobs)
      if (again.job_id !== id) await ask(service, `/jobs/${again.job_id}`, { method: 'DELETE' });

    await page.goto(`${service.url}/#/jobs/${id}`);
    await page.reload();
    page.once('dialog', (dialog) => void dialog.accept());
    await page.getByRole('button', { name: 'Delete: long.wav' }).click();
    await page.getByText('The songs that you add are listed here.').waitFor();
    await page.reload();
    await page.getByText('This song is not here any more').waitFor();
    await closePage(page, REFUSED);
    await service.kill('SIGTERM');
  });

  it('goes on in the page after the service was stopped and started', async () => {
    const port = String(await freePort());
    const service = await startService({ after }, ['serve'], { PORT: port });
    const id = await submit(service, short, { output_format: 'mp3', bit_depth: '24' });
    await untilCompleted(service, id);
    const page = await openPage(service.url, { hash: `#/jobs/${id}` });
    await page.getByRole('button', { name: 'Play', exact: true }).waitFor();
    await page.getByText('The bit depth 24 has no effect').waitFor();
    await service.kill('SIGTERM');
    await page.getByText('The service does not answer').waitFor();
    const next = await startService({ after }, ['serve'], {
      PORT: port,
      DATA_DIR: service.dataDir,
    });
    await page.getByText('The service does not answer').waitFor({ state: 'hidden' });
    await page.getByRole('link', { name: 'short.wav' }).waitFor();
    await closePage(page, REFUSED);
    await next.kill('SIGTERM');
  });
});

void describe('a service with keys', () => {
  it('asks for one, and plays with it', async () => {
    const service = await startService({ after }, ['serve'], { API_KEYS: KEY });
    const page = await openPage(service.url);
    await page.getByLabel('Key', { exact: true }).fill('another-key-of-twenty');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByText('The service does not know this key.').waitFor();
    await page.getByLabel('Key', { exact: true }).fill(KEY);
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.setInputFiles('#songs', short);
    await page.getByRole('button', { name: 'Play', exact: true }).click();
    await page.getByText('All stems as ZIP').waitFor();
    // Its audio worklet is loaded as the content security policy allows.
    await page.locator('.stretch select').first().selectOption('80');
    // The link has a token of its own: a click sends no header.
    const href = await page.getByRole('link', { name: /^Drums/ }).getAttribute('href');
    assert.equal((await fetch(new URL(href!, service.url))).status, 200);

    await page.reload();
    await page.getByRole('heading', { name: 'short.wav' }).waitFor();
    await closePage(page, REFUSED);
    await service.kill('SIGTERM');
  });
});

void describe('a service without a worker', () => {
  it('says so, and how to start one', async () => {
    const redis = await startRedis({ after });
    const service = await startService({ after }, ['api'], { REDIS_URL: redis.url });
    const page = await openPage(service.url);
    await page.getByText('No worker is running').waitFor();
    await page.getByText('oxboard worker').waitFor();
    await closePage(page);
    await service.kill('SIGTERM');
  });
});
