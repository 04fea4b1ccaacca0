/**
 * Spectrograms of what two models take for the vocals of a song, one above the other: the song,
 * spleeter-2stems, oxboard-mini. Prints how loud these vocals are against the song (RMS). Needs both
 * models, dist/ and ffmpeg.
 *
 *     node scripts/pictures.mjs SONG OUT.png [SECONDS FROM_SECOND]
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root, stateDir } from './setup/files.mjs';

const MODELS = ['spleeter-2stems', 'oxboard-mini'];
// A height that is no power of two makes ffmpeg 5.1 run forever.
const ROW =
  'showspectrumpic=s=720x128:legend=0:scale=log:color=viridis:drange=90:stop=11025:mode=combined';

/** RMS level of a file in dB. */
function level(file) {
  const measure = ['-nostdin', '-i', file, '-af', 'volumedetect', '-f', 'null', '-'];
  const { stderr } = spawnSync('ffmpeg', measure, { encoding: 'utf8' });
  return Number(/mean_volume: (\S+) dB/.exec(stderr)[1]);
}

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
  for (const [at, model] of MODELS.entries()) {
    console.log(`${model}: vocals ${(level(vocals[at]) - level(part)).toFixed(1)} dB`);
  }
  const inputs = [part, ...vocals].flatMap((file) => ['-i', file]);
  const rows = [0, 1, 2].map((row) => `[${String(row)}:a]${ROW}[row${String(row)}]`);
  const graph = `${rows.join(';')};[row0][row1][row2]vstack=inputs=3,format=pal8`;
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...inputs, '-filter_complex', graph, out]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
