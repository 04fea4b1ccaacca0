/**
 * Separates `minutes` of noise with the toy network and prints the peak resident memory in bytes.
 *
 *     node --import tsx memory.ts MINUTES
 */
import { fileURLToPath } from 'node:url';
import { Separator } from '../../../src/index.js';

const RATE = 44_100;
const BLOCK = 65_536;
const modelsDir = fileURLToPath(new URL('../../fixtures/models', import.meta.url));
const frames = Number(process.argv[2]) * 60 * RATE;

const noise = Float32Array.from({ length: BLOCK }, (_, i) => Math.sin(i * i * 0.001) / 2);
const source = {
  sampleRate: RATE,
  channelCount: 2,
  async *blocks() {
    for (let start = 0; start < frames; start += BLOCK) {
      // A real source waits for its file, which lets the event loop and the collector run.
      await new Promise(setImmediate);
      const block = noise.subarray(0, Math.min(BLOCK, frames - start));
      yield [block, block];
    }
  },
};

const separator = await Separator.load('toy', { modelsDir, device: 'cpu', threads: 2 });
let received = 0;
for await (const block of separator.stream(source)) received += block.frames;
await separator.dispose();
if (received !== frames)
  throw new Error(`received ${String(received)} of ${String(frames)} frames`);
console.log(process.resourceUsage().maxRSS * 1024);
