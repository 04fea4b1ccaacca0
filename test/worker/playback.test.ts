/** Chunks of stems: published while a job runs, and the same whatever happens to its worker. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CHUNK_FRAMES, CHUNK_SCALE, FRAMES_PER_PIXEL } from '../../src/audio/chunk-format.js';
import type { Job } from '../../src/jobs/job.js';
import type { JobOptions } from '../../src/options.js';
import { chunkKey, peaksKey } from '../../src/jobs/record.js';
import { makeAudio, readAudio, temporaryFolder } from '../support/audio.js';
import { startService } from '../support/worker.js';

type Service = Awaited<ReturnType<typeof startService>>;

const program = fileURLToPath(new URL('child.ts', import.meta.url));
const folder = temporaryFolder({ after });
const FRAMES = 2 * CHUNK_FRAMES + 12_345;
// Louder than full scale in places, which the scale leaves room for.
const song = makeAudio(path.join(folder, 'song.wav'), '1.4*sin(440*t)*sin(t)|random(8)-0.5', {
  seconds: FRAMES / 44_100,
  options: ['-c:a', 'pcm_f32le'],
});
const EXACT = {
  stems: ['bass', 'vocals'],
  clipMode: 'none',
  bitDepth: '32f',
  shifts: 1,
  seed: 5,
} satisfies Partial<JobOptions>;

async function read(service: Service, key: string): Promise<Float32Array[]> {
  const file = path.join(folder, key.replaceAll('/', '-'));
  writeFileSync(file, await service.bytes(key));
  return readAudio(file);
}

/** Keys of all chunks of a completed job, by stem. */
function chunksOf({ result }: Job): Map<string, string[]> {
  const { id, playback } = result ?? assert.fail();
  return new Map(
    playback.stems.map((stem) => [
      stem,
      Array.from({ length: playback.chunks }, (_, number) => chunkKey(id, stem, number)),
    ]),
  );
}

/** Admits a job whose worker is killed once its first chunk is published. @returns its id. */
async function killedAfterChunk(service: Service, context: TestContext): Promise<string> {
  const settings = { redisUrl: service.redisUrl, dataDir: service.dataDir };
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', program, JSON.stringify(settings), 'after-chunk'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  context.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const { id } = await service.admit(song, EXACT);
  await service.reached(id, ({ chunksReady }) => chunksReady === 1);
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
  return id;
}

describe('chunks', () => {
  it('joined and divided by the scale are the stem, and peaks are those of its samples', async (context) => {
    const service = await startService(context);
    await service.startWorker();
    const { id } = await service.admit(song, EXACT);
    const ready: number[] = [];
    for await (const { chunksReady, status } of service.events(id)) {
      if (ready.at(-1) !== chunksReady) ready.push(chunksReady);
      if (status === 'completed') break;
    }
    assert.deepEqual([ready[0], ready.at(-1)], [0, 3]);
    assert.deepEqual(ready, [...ready].sort(), 'their number only grows');

    const job = await service.finished(id);
    const { stems, playback } = job.result ?? assert.fail();
    assert.deepEqual(playback, {
      generation: 1,
      sampleRate: 44_100,
      stems: [...Object.keys(stems), 'mixture'],
      frames: FRAMES,
      chunks: 3,
    });
    const peaks = new Int8Array(await service.bytes(peaksKey(job.result?.id ?? '')));
    const columns = playback.stems.length;
    assert.equal(peaks.length, Math.ceil(FRAMES / FRAMES_PER_PIXEL) * columns * 2);

    for (const [column, [stem, keys]] of [...chunksOf(job)].entries()) {
      const whole = stem === 'mixture' ? readAudio(song) : await read(service, stems[stem]!.key);
      let first = 0;
      for (const key of keys) {
        const chunk = await read(service, key);
        const frames = Math.min(CHUNK_FRAMES, FRAMES - first);
        let worst = 0;
        for (const [channel, samples] of chunk.entries()) {
          assert.equal(samples.length, frames);
          for (let at = 0; at < frames; at++) {
            const exact = whole[channel]![first + at]!;
            worst = Math.max(worst, Math.abs(samples[at]! / CHUNK_SCALE - exact));
          }
        }
        assert.ok(worst <= 2 ** -23 / CHUNK_SCALE, `${key} differs by ${worst}`);
        first += frames;
      }
      assert.equal(first, FRAMES);
      for (const pixel of [0, 1722, 1723, 3445, Math.floor(FRAMES / FRAMES_PER_PIXEL)]) {
        const samples = whole.flatMap((channel) => [
          ...channel.subarray(pixel * FRAMES_PER_PIXEL, (pixel + 1) * FRAMES_PER_PIXEL),
        ]);
        const at = (pixel * columns + column) * 2;
        const steps = (sample: number) => Math.round(sample * CHUNK_SCALE * 128);
        assert.deepEqual(
          [peaks[at], peaks[at + 1]],
          [steps(Math.min(...samples)), steps(Math.max(...samples))],
          `pixel ${pixel} of ${stem}`,
        );
      }
    }

    const again = await service.finished((await service.admit(song, EXACT)).id);
    assert.equal(again.cached, true);
    assert.equal(again.chunksReady, 3);
    assert.deepEqual(again.result?.playback, playback);
    await service.cancel(id);
    assert.ok((await service.keys('results/')).length > 0, 'the other job has them still');
    await service.cancel(again.id);
    await service.gone('results/');
  });

  it('of a part of the song, and of a mix, are those of its files', async (context) => {
    const service = await startService(context);
    await service.startWorker();
    const part = { ...EXACT, mix: ['rhythm=bass+drums'], start: 2, end: 14 };
    const job = await service.finished((await service.admit(song, part)).id);
    const { stems, playback } = job.result ?? assert.fail();
    assert.deepEqual(playback.stems, [...Object.keys(stems), 'mixture']);
    assert.deepEqual([playback.frames, playback.chunks], [12 * 44_100, 2]);
    for (const stem of ['rhythm', 'bass']) {
      const [whole = []] = await read(service, stems[stem]!.key);
      const [first = [], last = []] = await Promise.all(
        chunksOf(job)
          .get(stem)!
          .map(async (key) => (await read(service, key))[0]!),
      );
      assert.deepEqual([first.length, last.length], [CHUNK_FRAMES, 2 * 44_100]);
      for (const [at, sample] of [...first, ...last].entries()) {
        const error = Math.abs(sample / CHUNK_SCALE - whole[at]!);
        assert.ok(error <= 2 ** -23 / CHUNK_SCALE, `${stem} at ${String(at)}`);
      }
    }
  });

  it('go on when the worker is killed: no gap, none twice, the same bytes', async (context) => {
    const service = await startService(context);
    const id = await killedAfterChunk(service, context);

    const running = (await service.jobs.get(id, 'all')) ?? assert.fail();
    assert.deepEqual([running.chunksReady, running.playback?.chunks], [1, 3]);
    const first = chunkKey(running.playback?.resultId ?? '', 'vocals', 0);
    const published = await service.storage.stat(first);
    await service.endLease(id);
    await service.startWorker();
    const resumed = await service.finished(id);
    assert.equal(resumed.attempts, 2);
    assert.equal(resumed.result?.playback.generation, 1);
    assert.equal(resumed.result.id, running.playback?.resultId);
    assert.deepEqual(await service.storage.stat(first), published, 'it was not published again');
    const bytesOf = (job: Job) =>
      Promise.all([...chunksOf(job).values()].flat().map((key) => service.bytes(key)));
    const chunks = await bytesOf(resumed);
    const peaks = await service.bytes(peaksKey(resumed.result.id));

    await service.cancel(id);
    const undisturbed = await service.finished((await service.admit(song, EXACT)).id);
    assert.equal(undisturbed.cached, false);
    assert.deepEqual(chunks, await bytesOf(undisturbed));
    assert.deepEqual(peaks, await service.bytes(peaksKey(undisturbed.result?.id ?? '')));
  });

  it('begin anew in the next generation where their bytes would differ', async (context) => {
    const service = await startService(context);
    const id = await killedAfterChunk(service, context);
    const before = (await service.jobs.get(id, 'all'))?.playback ?? assert.fail();
    await service.endLease(id);
    await service.startWorker({ config: { threads: 2 } });
    const { result } = await service.finished(id);
    assert.equal(result?.playback.generation, 2);
    assert.notEqual(result.id, before.resultId);
    await service.gone(`results/${before.resultId}/`);
  });

  it('of a cancelled job go with it', async (context) => {
    const service = await startService(context);
    const worker = await service.startWorker();
    const { id } = await service.admit(song, EXACT);
    await service.reached(id, ({ chunksReady }) => chunksReady > 0);
    await service.cancel(id);
    const job = await service.jobs.get(id, 'all');
    assert.deepEqual([job?.playback, job?.chunksReady], [null, 0]);
    await worker.stop();
    await service.gone('results/');
  });
});
