/**
 * The example song: four stems of our own making (scripts/train, CC0), whose sum is the song. So what
 * a model makes of it can be compared with the truth.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../setup/files.mjs';
import { SetupError } from '../setup/report.mjs';

const SOURCES = ['drums', 'bass', 'other', 'vocals'];
const stemFile = (name) => join(root, 'scripts/example', `${name}.opus`);

function ffmpeg(args) {
  const { status, stdout, stderr, error } = spawnSync('ffmpeg', ['-v', 'error', '-y', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 28,
  });
  if (status === 0) return stdout;
  throw new SetupError(`The example song cannot be decoded: ${error?.message ?? stderr}`);
}

/** Writes the song as 32-bit float WAV, 44.1 kHz stereo. */
export function writeExampleSong(file) {
  mkdirSync(dirname(file), { recursive: true });
  const inputs = SOURCES.flatMap((name) => ['-i', stemFile(name)]);
  const mix = ['-filter_complex', `amix=inputs=${SOURCES.length}:normalize=0,aresample=44100`];
  ffmpeg([...inputs, ...mix, '-c:a', 'pcm_f32le', file]);
}

function samples(file) {
  const bytes = ffmpeg(['-i', file, '-f', 'f32le', '-ac', '2', '-ar', '44100', 'pipe:1']);
  return new Float32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.byteLength / 4));
}

/** Signal to distortion ratio in dB: energy of the truth over energy of the difference. */
export function signalToDistortion(truth, estimate) {
  let [signal, error] = [0, 0];
  truth.forEach((value, i) => {
    signal += value ** 2;
    error += (value - (estimate[i] ?? 0)) ** 2;
  });
  return 10 * Math.log10(signal / error);
}

/**
 * How well stems of the example song were separated.
 *
 * @param song the file that writeExampleSong wrote.
 * @param stems paths by source.
 * @returns per source that is known, the SDR in dB of the stem, and of the song itself in its place.
 */
export function scoreExample(song, stems) {
  const mixture = samples(song);
  return SOURCES.filter((name) => stems[name]).map((name) => {
    const truth = samples(stemFile(name));
    return {
      name,
      sdr: signalToDistortion(truth, samples(stems[name])),
      before: signalToDistortion(truth, mixture),
    };
  });
}
