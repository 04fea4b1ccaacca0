/** The page for everybody: by keyboard alone, on a phone, on a wall, with a screen reader. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import type { AxeResults } from 'axe-core';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { ask, startService, submit, untilCompleted } from '../support/service.js';
import { startReverseProxy } from '../support/reverse-proxy.js';
import { closePage, heard, openPage, startListening } from './browser.js';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

const folder = temporaryFolder({ after });
const service = await startService({ after }, ['serve'], { TRUST_PROXY: 'loopback' });
const LONG_NAME = `${'A very long name of a song that does not want to end '.repeat(3)}.wav`;
const RIGHT_TO_LEFT = 'أغنية.wav';
const tone = (name: string, seconds: number) =>
  makeAudio(path.join(folder, name), '0.3*sin(440*t)|0.3*sin(300*t)', { seconds });
const [long, other] = [
  await submit(service, tone(LONG_NAME, 30)),
  await submit(service, tone(RIGHT_TO_LEFT, 2)),
];
await untilCompleted(service, long);
await untilCompleted(service, other);
const PLACES = ['', `#/jobs/${long}`, `#/jobs/${other}`, '#/service'];

/** Waits until the place shows what it has. */
const settled = async (page: Page, hash: string): Promise<void> => {
  if (hash.startsWith('#/jobs')) await page.locator('.play').waitFor();
  else await page.getByText('toy').first().waitFor({ state: 'attached' });
};

void describe('the page', () => {
  for (const colorScheme of ['dark', 'light'] as const) {
    it(`has no serious findings of axe in ${colorScheme} colors`, async () => {
      for (const hash of PLACES) {
        const page = await openPage(service.url, { hash, colorScheme, bypassCSP: true });
        await settled(page, hash);
        await page.addScriptTag({ path: AXE });
        const { violations } = await page.evaluate(() =>
          (globalThis as unknown as { axe: { run: () => Promise<AxeResults> } }).axe.run(),
        );
        const serious = violations
          .filter(({ impact }) => impact === 'serious' || impact === 'critical')
          .map(({ id, nodes }) => `${hash} ${id}: ${nodes.map(({ html }) => html).join(' ')}`);
        assert.deepEqual(serious, []);
        await closePage(page);
      }
    });
  }

  for (const [width, height] of [
    [360, 740],
    [2560, 1300],
  ] as const) {
    it(`fits into ${String(width)} pixels`, async () => {
      for (const hash of PLACES) {
        const page = await openPage(service.url, { hash, viewport: { width, height } });
        await settled(page, hash);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.equal(wide, width, `${hash} does not scroll sideways`);
        for (const control of await page.locator('.mixer :is(button, input, select)').all()) {
          const box = await control.boundingBox();
          assert.ok(
            box && box.x >= 0 && box.x + box.width <= width,
            `${await control.evaluate(({ outerHTML }) => outerHTML)} is visible`,
          );
        }
        await closePage(page);
      }
    });
  }

  it('is used by keyboard alone', async () => {
    const page = await openPage(service.url, { hash: `#/jobs/${long}`, listen: true });
    await settled(page, `#/jobs/${long}`);
    await page.keyboard.press('Tab');
    assert.equal(
      await page.evaluate(() => document.activeElement?.textContent),
      'Skip to the content',
    );
    await page.keyboard.press('Enter');

    // Each control in its turn shows that it has the focus.
    const names = new Set<string>();
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      const { name, outline } = await page.evaluate(() => {
        const at = document.activeElement as HTMLElement;
        return {
          // After the last control, the browser's own come.
          name: at === document.body ? '' : (at.getAttribute('aria-label') ?? at.innerText),
          outline: getComputedStyle(at).outlineStyle,
        };
      });
      if (name === '') break;
      assert.notEqual(outline, 'none', `${name} shows its focus`);
      names.add(name);
    }
    for (const name of [
      'Mute Drums',
      'Solo Vocals',
      'Volume of Bass',
      'Pan of Bass',
      'Play',
      'Position',
    ])
      assert.ok(names.has(name), `${name} is reached by Tab: ${[...names].join(', ')}`);

    await page.evaluate(() => (document.activeElement as HTMLElement).blur());
    await startListening(page);
    await page.keyboard.press('Space');
    await heard(page, 0.3);
    await page.keyboard.press('Space');
    await page.getByRole('button', { name: 'Play', exact: true }).waitFor();
    await page.keyboard.press('2');
    await page.locator('[aria-label="Mute Bass"][aria-pressed="true"]').waitFor();
    await page.keyboard.press('Shift+4');
    await page.locator('[aria-label="Solo Vocals"][aria-pressed="true"]').waitFor();
    await page.keyboard.press('End');
    const position = page.getByLabel('Position', { exact: true });
    assert.match((await position.getAttribute('aria-valuetext'))!, /^0:30 of 0:30$/);
    await page.keyboard.press('ArrowLeft');
    await page.locator('[aria-label="Position"][aria-valuetext="0:25 of 0:30"]').waitFor();
    await page.keyboard.press('[');
    await page.getByText('0:25.0 – 0:30.0').waitFor();
    await page.keyboard.press('+');
    await page.locator('.scroll-bar').waitFor();
    await page.keyboard.press('?');
    await page.getByRole('heading', { name: 'Keyboard' }).waitFor();
    await page.keyboard.press('Escape');
    await closePage(page);
  });

  it('works below a path that a proxy removes', async () => {
    const { url, requests } = await startReverseProxy({ after }, service.url, { path: '/stems' });
    const page = await openPage(url, { hash: `#/jobs/${other}`, listen: true });
    await startListening(page);
    await page.getByRole('button', { name: 'Play', exact: true }).click();
    await heard(page, 0.3);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: /^Drums/ }).click(),
    ]);
    assert.equal(new URL(download.url()).pathname, `/stems/api/v1/jobs/${other}/stems/drums`);
    assert.ok(requests.every((request) => request.startsWith('/stems/')));
    await closePage(page);
  });

  it('shows 500 songs page by page, and finds each of them', async () => {
    const { body } = await ask<{ jobs: { job_id: string; name: string }[] }>(service, '/jobs');
    const all = Array.from({ length: 500 }, (_, number) => ({
      ...body.jobs[0]!,
      job_id: `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`,
      name: `song ${String(number)}.wav`,
    }));
    const page = await openPage(service.url);
    await page.route('**/api/v1/jobs?*', async (route) => {
      const query = new URL(route.request().url()).searchParams;
      const [from, limit] = [Number(query.get('cursor') ?? 0), Number(query.get('limit'))];
      const end = from + limit;
      const next = end < all.length ? String(end) : null;
      await route.fulfill({ json: { jobs: all.slice(from, end), next_cursor: next } });
    });
    await page.reload();
    const songs = page.getByRole('list', { name: 'Songs' }).getByRole('link');
    await page.getByRole('link', { name: 'song 99.wav' }).waitFor();
    assert.equal(await songs.count(), 100);
    for (const last of [199, 299, 399, 499]) {
      await page.getByRole('button', { name: 'Show more' }).click();
      await page.getByRole('link', { name: `song ${String(last)}.wav` }).waitFor();
    }
    assert.equal(await songs.count(), 500);
    await page.getByRole('button', { name: 'Show more' }).waitFor({ state: 'detached' });
    await page.reload();
    await page.getByLabel('Search by name').fill('song 432');
    await page.getByRole('link', { name: 'song 432.wav' }).waitFor();
    assert.equal(await songs.count(), 1);
    await closePage(page);
  });

  it('finds a song by its name, whatever its script, and keeps its direction', async () => {
    const page = await openPage(service.url);
    await page.getByRole('link', { name: RIGHT_TO_LEFT }).waitFor();
    await page.getByLabel('Search by name').fill('does not want');
    await page.getByRole('link', { name: RIGHT_TO_LEFT }).waitFor({ state: 'detached' });
    await page.getByLabel('Search by name').fill('أغنية');
    const link = page.getByRole('link', { name: RIGHT_TO_LEFT });
    assert.equal(await link.evaluate((element) => getComputedStyle(element).direction), 'rtl');
    await closePage(page);
  });
});
