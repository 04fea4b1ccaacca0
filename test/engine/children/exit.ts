/**
 * Starts a separation that never ends, says "running", and ends in the way that is asked for.
 *
 *     node --import tsx exit.ts natural|exit|throw|wait
 */
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { Separator } from '../../../src/index.js';
import { loadNative } from '../../../src/native.js';

const [, , way = 'natural'] = process.argv;
const modelsDir = fileURLToPath(new URL('../../fixtures/models', import.meta.url));
const channels = [Float32Array.from({ length: 400_000 }, (_, i) => Math.sin(i))];
const song = { sampleRate: 44_100, channels };

if (way === 'natural') {
  const separator = await Separator.load('toy', { modelsDir });
  await separator.separate(song);
  // Nothing is disposed of: what is left must not keep the process alive.
} else {
  const separator = await Separator.load('slow', { modelsDir, warmUp: false });
  const separation = separator.separate(song);
  while (loadNative().memory().inUse === 0) await sleep(1);
  process.send?.('running');
  if (way === 'exit') process.exit(7);
  if (way === 'throw') throw new Error('uncaught on purpose');
  await separation;
}
