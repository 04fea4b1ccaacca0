// Our side of the benchmark: loads once, then separates the song whenever a line comes in.
//
//     node ours.mjs MODEL MODELS_DIR SONG.f32 FRAMES THREADS
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Separator } from 'oxboard-demucs';

const [model, modelsDir, song, frames, threads] = process.argv.slice(2);
const bytes = readFileSync(song);
const pcm = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const channels = [pcm.subarray(0, Number(frames)), pcm.subarray(Number(frames))];

const started = performance.now();
const separator = await Separator.load(model, {
  modelsDir,
  device: 'cpu',
  threads: Number(threads),
  warmUp: false,
});
const answer = (fields) => console.log(JSON.stringify(fields));
answer({ load: (performance.now() - started) / 1000 });

for await (const line of createInterface({ input: process.stdin })) {
  if (line !== 'run') break;
  const begin = performance.now();
  await separator.separate({ sampleRate: 44_100, channels });
  answer({
    seconds: (performance.now() - begin) / 1000,
    peakBytes: process.resourceUsage().maxRSS * 1024,
  });
}
await separator.dispose();
