/** A song from its drop on the page to its files, and what is heard of it meanwhile. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { differenceDb, readAudio, temporaryFolder } from '../support/audio.js';
import { jobOf, startService, untilCompleted } from '../support/service.js';
import { until } from '../support/until.js';
import { closePage, errorDb, heard, openPage, startListening } from './browser.js';
import { exampleSong } from './song.js';
import { playbackOf, stemSamples, sum } from './stems.js';

/** 24-bit FLAC at a quarter of the level, and no more. */
const EXACT_DB = -90;
const RATE = 44_100;

const folder = temporaryFolder({ after });
const song = exampleSong(folder, 'Example song.flac', 60);
const service = await startService({ after }, ['serve'], {
  DEMUCS_DEFAULT_MODEL: 'oxboard-mini',
  DEMUCS_THREADS: '1',
});

/** As a person drops a file on the page. */
async function drop(page: Page, file: string): Promise<void> {
  const transfer = await page.evaluateHandle(
    ({ name, base64 }) => {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const made = new DataTransfer();
      made.items.add(new File([bytes], name, { type: 'audio/flac' }));
      return made;
    },
    { name: path.basename(file), base64: readFileSync(file).toString('base64') },
  );
  await page.dispatchEvent('.drop-zone', 'drop', { dataTransfer: transfer });
}

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
const idOf = (page: Page): string => /jobs\/([0-9a-f-]{36})/.exec(page.url())![1]!;

/** Plays from the position on, and pauses. */
async function listen(page: Page, seconds: number): Promise<Float32Array> {
  await startListening(page);
  await button(page, 'Play').click();
  const samples = await heard(page, seconds);
  await button(page, 'Pause').click();
  return samples;
}

void describe('a song on the page', () => {
  it('a dropped song is heard while it is being separated, also when its worker is killed, and saved as it sounds', async () => {
    const page = await openPage(service.url, { listen: true });
    await drop(page, song);
    await page.getByRole('heading', { name: 'Example song.flac' }).waitFor();
    const id = idOf(page);

    await button(page, 'Play').waitFor();
    await until(async () => (await playbackOf(service, id)).chunks_ready >= 2, 'two chunks');
    // The rest of the job waits until the listening is over, however fast the machine is.
    const [worker] = service.pids('worker');
    process.kill(worker!, 'SIGSTOP');
    const stem = (name: string) => stemSamples(service, { id, stem: name, chunks: 2, folder });
    try {
      assert.equal((await jobOf(service, id))?.status, 'processing');
      await button(page, 'Solo Drums').click();
      const drums = await stem('drums');
      assert.ok(errorDb(await listen(page, 2), drums, RATE) < EXACT_DB, 'the stem that is solo');

      await button(page, 'Solo Drums').click();
      await button(page, 'Mute Drums').click();
      await button(page, 'Mute Vocals').click();
      // A second before the end of the first chunk.
      await page.keyboard.press('Home');
      await page.keyboard.press('ArrowRight');
      for (let i = 0; i < 4; i++) await page.keyboard.press('Shift+ArrowRight');
      await startListening(page);
      await button(page, 'Play').click();
      await heard(page, 0.3);
    } finally {
      process.kill(worker!, 'SIGKILL');
    }
    const played = await heard(page, 2.5);
    await button(page, 'Pause').click();
    const [bass, other] = [await stem('bass'), await stem('other')];
    const across = errorDb(played, sum(bass, other).subarray(9 * RATE), 2 * RATE);
    assert.ok(
      across < EXACT_DB,
      `two stems in step, from one chunk to the next, without their worker: ${String(across)}`,
    );

    assert.equal((await untilCompleted(service, id)).attempts, 2);
    assert.equal((await playbackOf(service, id)).generation, 1, 'the chunks go on');
    assert.deepEqual(await stem('bass'), bass);
    await page.getByRole('heading', { name: 'Take it with you' }).waitFor();

    await button(page, 'Mute Vocals').click();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      button(page, 'The mix as it sounds').click(),
    ]);
    assert.equal(download.suggestedFilename(), 'Example song - mix.wav');
    const file = path.join(folder, 'mix.wav');
    await download.saveAs(file);
    const saved = readAudio(file)[0]!;
    assert.equal(saved.length, 60 * RATE);
    const expected = sum(bass, other, await stem('vocals'));
    assert.ok(differenceDb(expected, saved) < -80, 'the file has the mix');

    await page.reload();
    await page.getByRole('heading', { name: 'Example song.flac' }).waitFor();
    await button(page, 'Play').waitFor();
    await page.getByText('All stems as ZIP').waitFor();
    await closePage(page);
  });

  it('a loop repeats its part; tempo and pitch leave the song in time', async () => {
    const page = await openPage(service.url, { listen: true });
    await page.getByRole('link', { name: 'Example song.flac' }).click();
    await button(page, 'Play').waitFor();
    const id = idOf(page);

    const ruler = (await page.locator('.ruler').boundingBox())!;
    const at = (second: number) => ruler.x + (second / 60) * ruler.width;
    await page.mouse.move(at(12), ruler.y + 8);
    await page.mouse.down();
    await page.mouse.move(at(13), ruler.y + 8, { steps: 4 });
    await page.mouse.up();
    const text = await page.getByRole('button', { name: /^End the loop/ }).innerText();
    const [from = 0, to = 0] = [...text.matchAll(/0:(\d+\.\d)/g)].map(([, seconds]) =>
      Number(seconds),
    );
    assert.ok(Math.abs(from - 12) < 0.3 && Math.abs(to - 13) < 0.3, text);

    await button(page, 'Solo Drums').click();
    const samples = await listen(page, 3);
    const period = bestPeriod(samples, Math.round((to - from) * RATE), Math.round(0.15 * RATE));
    assert.ok(
      period.errorDb < EXACT_DB,
      `the loop repeats to the sample: ${JSON.stringify(period)}`,
    );

    await page.keyboard.press('l');
    assert.ok(await button(page, 'No loop').isDisabled());
    await page.locator('.stretch select').first().selectOption('150');
    await page.locator('.stretch select').last().selectOption('-12');
    await startListening(page);
    await button(page, 'Play').click();
    await heard(page, 1);
    await button(page, 'Pause').click();
    assert.equal(idOf(page), id);
    await closePage(page);
  });
});

/** The period around `expected` frames by which the samples repeat best. */
function bestPeriod(
  samples: Float32Array,
  expected: number,
  tolerance: number,
): { frames: number; errorDb: number } {
  const start = samples.findIndex((sample) => Math.abs(sample) > 1e-6) + 2000;
  const part = samples.subarray(start, start + 20_000);
  let best = { frames: 0, errorDb: Infinity };
  for (let frames = expected - tolerance; frames <= expected + tolerance; frames++) {
    let [signal, error] = [0, 0];
    for (let i = 0; i < part.length; i += 7) {
      signal += part[i]! ** 2;
      error += (samples[start + frames + i]! - part[i]!) ** 2;
    }
    const level = 10 * Math.log10(error / signal);
    if (level < best.errorDb) best = { frames, errorDb: level };
  }
  return best;
}
