/**
 * Does one thing again and again and prints the resident memory, in bytes, after a third of it and at
 * the end, as JSON. The first third is for caches to fill.
 *
 *     node --expose-gc --import tsx leaks.ts load|separate COUNT
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Separator } from 'oxboard-demucs';

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
  return process.memoryUsage.rss();
}

const separator = await Separator.load('toy', options);
const repeat = async (times: number) => {
  for (let round = 0; round < times; round++) {
    if (what === 'load') await (await Separator.load('toy', options)).dispose();
    else await separator.separate(song);
  }
};
const third = Math.ceil(Number(count) / 2);
await repeat(third);
const early = await settledMemory();
await repeat(Number(count));
const late = await settledMemory();
await separator.dispose();
console.log(JSON.stringify({ early, late }));
