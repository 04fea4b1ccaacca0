/** How processes and threads end while a separation runs. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { Separator } from '../../src/index.js';
import { loadNative } from '../../src/native.js';
import { HANG_MS, until } from '../support/until.js';

const modelsDir = fileURLToPath(new URL('../fixtures/models', import.meta.url));
const exitChild = fileURLToPath(new URL('children/exit.ts', import.meta.url));
const song = {
  sampleRate: 44_100,
  channels: [Float32Array.from({ length: 400_000 }, (_, i) => Math.sin(i))],
};

/** Runs the exit child, whose separation never ends, and kills it by `signal` while that runs. */
async function endsBy(way: string, signal?: NodeJS.Signals) {
  const child = fork(exitChild, [way], {
    execArgv: ['--import', 'tsx'],
    stdio: 'pipe',
    timeout: HANG_MS,
    killSignal: 'SIGABRT',
  });
  child.once('message', () => signal && child.kill(signal));
  const [code, killedBy] = (await once(child, 'exit')) as [number | null, string | null];
  return { code, killedBy };
}

/** Whether a network has memory for its work, so that a segment runs. */
const segmentRuns = () => loadNative().memory().inUse > 0;

void test('a process ends by itself after its last separation', async () => {
  assert.equal((await endsBy('natural')).code, 0);
});

void test('process.exit() does not wait for the segment that runs', async () => {
  assert.equal((await endsBy('exit')).code, 7);
});

void test('an uncaught error ends the process at once', async () => {
  assert.equal((await endsBy('throw')).code, 1);
});

for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
  void test(`${signal} ends the process at once`, async () => {
    assert.equal((await endsBy('wait', signal)).killedBy, signal);
  });
}

void test('an abort takes effect inside a segment', async () => {
  await using separator = await Separator.load('slow', { modelsDir, warmUp: false });
  const controller = new AbortController();
  const reason = new Error('enough');
  const separation = separator.separate(song, { signal: controller.signal });
  await until(segmentRuns);
  controller.abort(reason);
  await assert.rejects(separation, (error) => error === reason);
});

void test('loading can be aborted inside its warm-up', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const loading = Separator.load('slow', { modelsDir, signal: controller.signal });
  await until(segmentRuns);
  controller.abort(reason);
  await assert.rejects(loading, (error) => error === reason);
});

function startWorker(model: string, frames: number): Worker {
  return new Worker(new URL('children/worker.mjs', import.meta.url), {
    workerData: { model, frames },
    execArgv: [],
  });
}

/** What a worker posts after "running". */
async function result(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.on('message', (message: unknown) => {
      if (message !== 'running') resolve(message);
    });
    worker.on('error', reject);
  });
}

void test('two worker_threads and the main thread share the device and agree', async () => {
  const workers = [startWorker('htdemucs', 30_000), startWorker('htdemucs', 30_000)];
  await using separator = await Separator.load('htdemucs', { modelsDir });
  const main = separator.separate(song);
  const [first, second] = await Promise.all(workers.map(result));
  assert.equal(typeof first, 'number');
  assert.equal(first, second);
  await main;
  await Promise.all(workers.map((worker) => worker.terminate()));
});

void test('terminating a worker_thread in the middle leaves the process and the device good', async () => {
  const worker = startWorker('mdx_extra', 400_000);
  await once(worker, 'message');
  await worker.terminate();
  await using separator = await Separator.load('toy', { modelsDir });
  const { stems } = await separator.separate(song);
  assert.equal(stems.vocals?.[0]?.length, 400_000);
});

void test('a worker_thread that ends while it waits for the device gives up its turn', async () => {
  await using separator = await Separator.load('mdx_extra', { modelsDir });
  const short = { ...song, channels: song.channels.map((row) => row.subarray(0, 50_000)) };
  const main = separator.separate(short);
  const worker = startWorker('mdx_extra', 400_000);
  await once(worker, 'message');
  await worker.terminate();
  assert.equal((await main).stems.vocals?.[0]?.length, 50_000);
});
