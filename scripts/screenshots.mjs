/**
 * `node scripts/screenshots.mjs [FOLDER]`: pictures of the page for the documentation, from a real
 * service with the embedded model and the example song.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { writeExampleSong } from './example/song.mjs';
import { startService } from './load/service.mjs';
import { emptyFolder, stateDir } from './setup/files.mjs';
import { setup } from './setup/index.mjs';
import { main } from './setup/report.mjs';

const WIDE = { width: 1280, height: 860 };
const PHONE = { width: 390, height: 844 };

await main(async () => {
  await setup({ testTools: ['chromium'] });
  const folder = process.argv[2] ?? emptyFolder(join(stateDir, 'screenshots'));
  const example = join(stateDir, 'screenshots-song.wav');
  writeExampleSong(example);
  // Long enough to be seen while it runs.
  const song = join(stateDir, 'Night Drive.flac');
  spawnSync('ffmpeg', ['-v', 'error', '-y', '-stream_loop', '6', '-i', example, song]);

  const service = await startService({ processes: 1, threads: 2 });
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--autoplay-policy=no-user-gesture-required'],
  });
  const open = (viewport, colorScheme) => browser.newPage({ viewport, colorScheme });
  const play = (page) => page.getByRole('button', { name: 'Play', exact: true });
  const url = `http://127.0.0.1:${service.port}/`;
  try {
    const page = await open(WIDE, 'dark');
    const picture = (name, of = page) => of.screenshot({ path: join(folder, `page-${name}.png`) });
    await page.goto(url);
    await page.getByText('oxboard-mini').first().waitFor({ state: 'attached' });
    await picture('empty');

    // The upload stays on its way until its picture is taken.
    let letGo;
    const held = new Promise((resolve) => (letGo = resolve));
    await page.route('**/stemify', async (route) => {
      await held;
      await route.continue();
    });
    await page.setInputFiles('#songs', song);
    await page.getByText('Uploading').waitFor();
    await picture('uploading');
    letGo();

    await play(page).click();
    await page.locator('.time-layer').click({ position: { x: 40, y: 20 } });
    await page.waitForTimeout(2500);
    await picture('running');
    await page.getByText('All stems as ZIP').waitFor({ timeout: 600_000 });
    await picture('mixer-dark');

    for (const [name, viewport, colorScheme] of [
      ['mixer-light', WIDE, 'light'],
      ['phone', PHONE, 'dark'],
    ]) {
      const other = await open(viewport, colorScheme);
      await other.goto(page.url());
      await play(other).click();
      await other.waitForTimeout(2500);
      await picture(name, other);
      await other.close();
    }
  } finally {
    await browser.close();
    await service.stop();
  }
  console.log(`The pictures are in ${folder}`);
  return 0;
});
