import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const sampleRate = 44100;
const seconds = 20;
const beat = 0.5;

const roots = [110, 87.31, 130.81, 98];
const chord = [2, 2.5, 3, 4];

/** Noise that is the same on every machine, so that a demo's result can be compared. */
function createNoise() {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

function sampleAt(time, noise) {
  const root = roots[Math.floor(time / (4 * beat)) % roots.length];
  const sinceBeat = time % beat;
  const sinceHalf = time % (beat / 2);
  const strong = Math.floor(time / beat) % 2 === 0;
  const wave = (frequency) => Math.sin(2 * Math.PI * frequency * time);

  const bass = 0.3 * Math.exp(-3 * sinceBeat) * (wave(root / 2) + 0.4 * wave(root));
  const kick = strong
    ? 0.5 * Math.exp(-18 * sinceBeat) * Math.sin(30 * (1 - Math.exp(-30 * sinceBeat)))
    : 0;
  const snare = strong ? 0 : 0.3 * Math.exp(-22 * sinceBeat) * noise();
  const hat = 0.08 * Math.exp(-80 * sinceHalf) * noise();
  const keys = chord.map((ratio, index) => 0.05 * wave(root * ratio * (1 + 0.001 * index)));
  const vibrato = 1 + 0.006 * Math.sin(2 * Math.PI * 5.5 * time);
  const voice = [1, 2, 3, 4].reduce((sum, n) => sum + wave(root * 4 * n * vibrato) / (n * n), 0);
  const sung =
    0.1 * voice * Math.min(1, 4 * Math.sin((Math.PI * (time % (2 * beat))) / (2 * beat)));

  const centre = bass + kick + snare + sung;
  return [
    centre + 0.7 * hat + keys[0] + keys[2] + 0.5 * (keys[1] + keys[3]),
    centre + 0.3 * hat + keys[1] + keys[3] + 0.5 * (keys[0] + keys[2]),
  ];
}

/** A made-up song as a 16-bit stereo WAV file: bass, drums, chords and a singing tone. */
export function writeTestSong(file) {
  const frames = seconds * sampleRate;
  const bytes = Buffer.alloc(44 + frames * 4);
  bytes.write('RIFF', 0);
  bytes.writeUInt32LE(36 + frames * 4, 4);
  bytes.write('WAVEfmt ', 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(2, 22);
  bytes.writeUInt32LE(sampleRate, 24);
  bytes.writeUInt32LE(sampleRate * 4, 28);
  bytes.writeUInt16LE(4, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36);
  bytes.writeUInt32LE(frames * 4, 40);
  const noise = createNoise();
  for (let frame = 0; frame < frames; frame += 1) {
    sampleAt(frame / sampleRate, noise).forEach((sample, channel) => {
      const limited = Math.max(-1, Math.min(1, 0.8 * sample));
      bytes.writeInt16LE(Math.round(limited * 32767), 44 + frame * 4 + channel * 2);
    });
  }
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes);
}
