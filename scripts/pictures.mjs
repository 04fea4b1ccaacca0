/**
 * Spectrograms of what two models take for the vocals of a song, one above the other: the song,
 * spleeter-2stems, oxboard-mini. Needs both models, dist/ and ffmpeg.
 *
 *     node scripts/pictures.mjs SONG OUT.png [SECONDS FROM_SECOND]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root, stateDir } from './setup/files.mjs';

const MODELS = ['spleeter-2stems', 'oxboard-mini'];
const ROW =
  'showspectrumpic=s=900x200:legend=0:scale=log:color=viridis:drange=90:stop=11025:mode=combined';

const [song, out, seconds = '30', from = '0'] = process.argv.slice(2);
const folder = mkdtempSync(join(stateDir, 'pictures-'));
try {
  const part = join(folder, 'part.wav');
  execFileSync('ffmpeg', ['-v', 'error', '-ss', from, '-t', seconds, '-i', song, '-vn', part]);
  const vocals = MODELS.map((model) => {
    const cli = join(root, 'dist/bin/cli.js');
    const options = [
      '--model',
      model,
      '--two-stems',
      'vocals',
      '--other-method',
      'none',
      '--out',
      folder,
    ];
    const exact = ['--clip-mode', 'none', '--bit-depth', '32f', '--json'];
    const output = execFileSync(process.execPath, [cli, 'separate', part, ...options, ...exact], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return JSON.parse(output).output.stems.vocals.path;
  });
  const inputs = [part, ...vocals].flatMap((file) => ['-i', file]);
  const rows = [0, 1, 2].map((row) => `[${String(row)}:a]${ROW}[row${String(row)}]`);
  const graph = `${rows.join(';')};[row0][row1][row2]vstack=inputs=3,format=pal8`;
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...inputs, '-filter_complex', graph, out]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
