/**
 * Does one thing COUNT / 2 times, for caches to fill, then COUNT times more, and prints the resident
 * memory before and after the latter as JSON: in bytes, without V8's heap.
 *
 *     node --expose-gc --import tsx leaks.ts load|separate COUNT
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Separator } from '../../../src/index.js';

const [, , what, count] = process.argv;
const modelsDir = fileURLToPath(new URL('../../fixtures/models', import.meta.url));
const options = { modelsDir, threads: 2 };
const channels = [Float32Array.from({ length: 400_000 }, (_, i) => Math.sin(i))];
const song = { sampleRate: 44_100, channels };

async function settledMemory(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    await sleep(50);
  }
  // V8 enlarges its heap by steps of 16 MB when it likes.
  const { rss, heapTotal } = process.memoryUsage();
  return rss - heapTotal;
}

const separator = await Separator.load('toy', options);
const repeat = async (times: number) => {
  for (let round = 0; round < times; round++) {
    // Networks with many layers: what stays of one would show.
    if (what === 'load') {
      await (await Separator.load('htdemucs', { ...options, warmUp: false })).dispose();
    } else await separator.separate(song);
  }
};
const before = Math.ceil(Number(count) / 2);
await repeat(before);
const early = await settledMemory();
await repeat(Number(count));
const late = await settledMemory();
await separator.dispose();
console.log(JSON.stringify({ early, late }));
