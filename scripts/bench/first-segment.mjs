// Prints the time when a new process has loaded full-size htdemucs, and when it has separated one
// segment.
//
//     node first-segment.mjs MODELS_DIR FRAMES
import { Separator } from 'oxboard-demucs';

const [modelsDir, frames] = process.argv.slice(2);
const channels = [0, 1].map(() =>
  Float32Array.from({ length: Number(frames) }, () => Math.random() - 0.5),
);
const separator = await Separator.load('htdemucs', { modelsDir, device: 'cpu', warmUp: false });
console.log(Date.now());
await separator.separate({ sampleRate: 44_100, channels });
console.log(Date.now());
await separator.dispose();
