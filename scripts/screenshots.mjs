/**
 * `node scripts/screenshots.mjs [FOLDER]`: pictures of the page for docs/, from a real
 * service with the embedded model and the example song.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { writeExampleSong } from './example/song.mjs';
import { startService } from './load/service.mjs';
import { emptyFolder, root, stateDir } from './setup/files.mjs';
import { setup } from './setup/index.mjs';
import { main } from './setup/report.mjs';

const WIDE = { width: 1280, height: 860 };
/** Longest time for the whole song, on a busy machine. */
const SONG_MS = 600_000;
const PHONE = { width: 390, height: 844 };

await main(async () => {
  await setup({ testTools: ['chromium'] });
  const folder = process.argv[2] ?? join(root, 'docs');
  const work = emptyFolder(join(stateDir, 'screenshots'));
  const example = join(work, 'example.wav');
  writeExampleSong(example);
  // Long enough to be seen while it runs.
  const song = join(work, 'Night Drive.flac');
  spawnSync('ffmpeg', ['-v', 'error', '-y', '-stream_loop', '3', '-i', example, song]);

  const service = await startService({ processes: 1, threads: 2, rateLimit: 5 });
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--autoplay-policy=no-user-gesture-required'],
  });
  const open = async (viewport, colorScheme) => {
    const page = await browser.newPage({ viewport, colorScheme });
    page.setDefaultTimeout(SONG_MS);
    return page;
  };
  const play = (page) => page.getByRole('button', { name: 'Play', exact: true });
  const url = `http://127.0.0.1:${service.port}/`;
  try {
    const page = await open(WIDE, 'dark');
    const picture = async (name, of = page) => {
      const full = join(work, `${name}.png`);
      await of.screenshot({ path: full });
      // 256 colors are enough, and a quarter of the bytes.
      const palette = 'split[a][b];[a]palettegen[p];[b][p]paletteuse=dither=none';
      const file = join(folder, `page-${name}.png`);
      spawnSync('ffmpeg', ['-v', 'error', '-y', '-i', full, '-vf', palette, file]);
    };
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
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    await page.getByText('All stems as ZIP').waitFor();
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
