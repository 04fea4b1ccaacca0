// A worker_thread that separates with the model of its workerData and posts a checksum.
// Plain JavaScript, because tsx does not reach into worker_threads.
import { fileURLToPath } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import { Separator } from 'oxboard-demucs';

const { model, frames } = workerData;
const modelsDir = fileURLToPath(new URL('../../fixtures/models', import.meta.url));
const separator = await Separator.load(model, { modelsDir, warmUp: false, threads: 2 });
const channels = [Float32Array.from({ length: frames }, (_, i) => Math.sin(i * 0.1))];
parentPort.postMessage('running');
const { stems } = await separator.separate({ sampleRate: 44_100, channels });
parentPort.postMessage(stems.vocals[0].reduce((sum, x) => sum + x, 0));
await separator.dispose();
