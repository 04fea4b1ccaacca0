/** The embedding API, on tiny networks. */
import assert from 'node:assert/strict';
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { after, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  OxboardError,
  Separator,
  type Progress,
  type SeparateOptions,
  type StreamOptions,
} from '../../src/index.js';
import { workSeconds } from '../../src/model-options.js';
import { loadNative } from '../../src/native.js';
import { differenceDb } from '../support/audio.js';
import { until } from '../support/until.js';

const modelsDir = fileURLToPath(new URL('../fixtures/models', import.meta.url));
const load = (name = 'htdemucs') => Separator.load(name, { modelsDir, device: 'cpu', threads: 2 });

/** Separators of the tests that leave them as they are. */
const shared = new Map<string, Promise<Separator>>();
function loaded(name = 'htdemucs'): Promise<Separator> {
  const separator = shared.get(name) ?? load(name);
  shared.set(name, separator);
  return separator;
}
after(async () => {
  for (const separator of shared.values()) await (await separator).dispose();
});

/** A song of sines and noise that is the same in every run. */
function song(frames: number, channelCount = 2) {
  let state = 1;
  const noise = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647 - 0.5;
  const channels = Array.from({ length: channelCount }, (_, channel) =>
    Float32Array.from(
      { length: frames },
      (_, i) => Math.sin(i * 0.03 * (channel + 1)) + noise() / 4,
    ),
  );
  return { sampleRate: 44_100, channels };
}

/** A source that counts how often it is read, and counts frames it gave. */
function countingSource(frames: number) {
  const { sampleRate, channels } = song(frames);
  const counts = { readings: 0, frames: 0 };
  return {
    counts,
    sampleRate,
    channelCount: 2,
    async *blocks() {
      counts.readings += 1;
      for (let start = 0; start < frames; start += 1000) {
        await Promise.resolve();
        const block = channels.map((channel) => channel.subarray(start, start + 1000));
        counts.frames += block[0]?.length ?? 0;
        yield block;
      }
    },
  };
}

/** Whether a network has memory for its work, so that a segment runs. */
const segmentRuns = () => loadNative().memory().inUse > 0;

const rejectsWith = (promise: Promise<unknown>, code: string, message: RegExp | string) =>
  assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof OxboardError, String(error));
    assert.equal(error.code, code);
    if (typeof message === 'string') assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  });

void test('separate gives every stem at the length of the song, and a manifest', async () => {
  const separator = await loaded();
  const { stems, manifest } = await separator.separate(song(5000), { seed: 7 });
  assert.deepEqual(Object.keys(stems), ['drums', 'bass', 'other', 'vocals']);
  for (const channels of Object.values(stems)) {
    assert.equal(channels.length, 2);
    for (const channel of channels) {
      assert.ok(channel instanceof Float32Array);
      assert.equal(channel.length, 5000);
      assert.ok(channel.some((sample) => sample !== 0));
    }
  }
  assert.equal(manifest.seed, 7);
  assert.equal(manifest.device, 'cpu');
  assert.equal(manifest.threads, 2);
  assert.equal(manifest.model.name, 'htdemucs');
  assert.match(manifest.model.members[0]?.sha256 ?? '', /^[0-9a-f]{64}$/);
  assert.equal(manifest.input.frames, 5000);
  assert.deepEqual(JSON.parse(JSON.stringify(manifest)), manifest);
});

void test('stream gives the same samples in gapless blocks, reading the source twice', async () => {
  const separator = await loaded();
  const source = countingSource(9000);
  const { stems } = await separator.separate(source, { overlap: 0.5 });
  assert.deepEqual(source.counts, { readings: 2, frames: 18_000 });

  let next = 0;
  const stream = separator.stream(source, { overlap: 0.5 });
  assert.equal(stream.manifest, undefined);
  for await (const block of stream) {
    assert.equal(block.offset, next);
    for (const [stem, channels] of Object.entries(block.stems)) {
      for (const [c, channel] of channels.entries()) {
        assert.equal(channel.length, block.frames);
        assert.deepEqual(channel, stems[stem]?.[c]?.subarray(next, next + block.frames));
      }
    }
    next += block.frames;
  }
  assert.equal(next, 9000);
  assert.ok(stream.manifest);
});

void test('the next segment runs while the caller works on what the last one finished', async () => {
  await using separator = await load();
  const source = countingSource(30_000);
  const { segment } = separator.model;
  for await (const { offset, frames } of separator.stream(source, { shifts: 0 })) {
    // The first reading is of the whole song; of the second, what the next segment takes.
    const read = source.counts.frames - 30_000;
    assert.ok(read >= Math.min(offset + frames + segment, 30_000), `only ${String(read)} frames`);
    if (read === 30_000) break;
  }
});

void test('the same input and seed give the same bytes; another seed other shifts', async () => {
  const separator = await loaded();
  const run = (seed: number) => separator.separate(song(3000), { shifts: 2, seed });
  const [first, again, other] = [await run(1), await run(1), await run(2)];
  assert.deepEqual(first.stems, again.stems);
  assert.deepEqual(first.manifest, again.manifest);
  assert.notDeepEqual(first.manifest.shiftOffsets, other.manifest.shiftOffsets);
  assert.notDeepEqual(first.stems, other.stems);
});

void test('a missing seed is drawn and recorded', async () => {
  const separator = await loaded();
  const { manifest, stems } = await separator.separate(song(3000), { shifts: 1 });
  const again = await separator.separate(song(3000), { shifts: 1, seed: manifest.seed });
  assert.deepEqual(again.stems, stems);
});

void test('only the members that the requested stems need are run', async () => {
  const separator = await loaded('htdemucs_ft');
  const all = await separator.separate(song(5000));
  let total = 0;
  const { stems, manifest } = await separator.separate(song(5000), {
    stems: ['vocals'],
    onProgress: ({ segmentsTotal }) => (total = segmentsTotal),
  });
  assert.deepEqual(Object.keys(stems), ['vocals']);
  assert.deepEqual(
    manifest.model.members.map(({ run }) => run),
    [false, false, false, true],
  );
  assert.equal(total, Math.ceil(5000 / Math.trunc(0.75 * separator.model.segment)));
  assert.deepEqual(stems.vocals, all.stems.vocals);
});

void test('progress rises to 1 and counts every segment', async () => {
  const separator = await loaded();
  const seen: Progress[] = [];
  await separator.separate(song(9000), { onProgress: (progress) => seen.push(progress) });
  const last = seen.at(-1);
  assert.ok(last);
  assert.equal(seen.length, last.segmentsTotal);
  assert.equal(last.fraction, 1);
  assert.equal(last.framesDone, 9000);
  assert.deepEqual(
    seen.map(({ segmentsDone }) => segmentsDone),
    seen.map((_, index) => index + 1),
  );
});

void test('the work of a song is that of the segments that the engine runs', async () => {
  const separator = await loaded();
  const { model } = separator;
  for (const options of [
    { shifts: 0 },
    { shifts: 0, segment: 0.01 },
    { shifts: 0, segment: 0.02, overlap: 0.9 },
  ]) {
    let total = 0;
    const frames = 20_000;
    await separator.separate(song(frames), {
      ...options,
      onProgress: ({ segmentsTotal }) => (total = segmentsTotal),
    });
    const stride = Math.trunc(0.75 * model.segment);
    const seconds = (total * stride) / model.sampleRate / model.members.length;
    const work = workSeconds(options, model, frames / model.sampleRate);
    assert.ok(Math.abs(work - seconds) < 1e-9, `${String(work)} is not ${String(seconds)}`);
  }
});

void test('progress tells which bag member ran how many segments', async () => {
  const separator = await loaded('htdemucs_ft');
  const seen: Progress[] = [];
  await separator.separate(song(9000), {
    batchSize: 2,
    onProgress: (progress) => seen.push(progress),
  });
  const segments = separator.model.members.map((_, index) =>
    seen.reduce((sum, { batch }) => sum + (batch?.member === index ? batch.segments : 0), 0),
  );
  assert.equal(segments.length, 4);
  assert.deepEqual(
    segments,
    segments.map(() => (seen.at(-1)?.segmentsTotal ?? 0) / segments.length),
  );
  assert.ok(seen.every(({ batch }) => batch !== null && batch.seconds > 0));
  const silent: Progress[] = [];
  await separator.separate(
    { sampleRate: 44_100, channels: [new Float32Array(9000), new Float32Array(9000)] },
    { onProgress: (progress) => silent.push(progress) },
  );
  assert.deepEqual(
    silent.map(({ batch }) => batch),
    [null],
  );
});

void test('batches of segments give the same stems', async () => {
  const separator = await loaded('mdx_extra');
  const one = await separator.separate(song(10_000), { overlap: 0.5 });
  const four = await separator.separate(song(10_000), { overlap: 0.5, batchSize: 4 });
  for (const [stem, channels] of Object.entries(one.stems)) {
    for (const [c, channel] of channels.entries()) {
      const other = four.stems[stem]?.[c];
      const largest = channel.reduce(
        (max, x, i) => Math.max(max, Math.abs(x - (other?.[i] ?? NaN))),
        0,
      );
      assert.ok(largest < 1e-4, `${stem}: ${String(largest)}`);
    }
  }
});

void test('the optimized graphs give what the plain ones give', async () => {
  for (const name of ['htdemucs', 'mdx_extra']) {
    const optimized = await loaded(name);
    await using plain = await Separator.load(name, { modelsDir, threads: 2, optimize: false });
    const [fast, slow] = await Promise.all(
      [optimized, plain].map((separator) => separator.separate(song(5000))),
    );
    for (const [stem, channels] of Object.entries(slow?.stems ?? {})) {
      let signal = 0;
      let noise = 0;
      for (const [c, channel] of channels.entries()) {
        for (const [i, x] of channel.entries()) {
          signal += x ** 2;
          noise += (x - (fast?.stems[stem]?.[c]?.[i] ?? NaN)) ** 2;
        }
      }
      const decibels = 10 * Math.log10(signal / noise);
      assert.ok(decibels > 80, `${name}, ${stem}: ${decibels.toFixed(1)} dB`);
    }
  }
});

void test('mono is given to both channels', async () => {
  const separator = await loaded();
  const { sampleRate, channels } = song(3000, 1);
  const [mono] = channels;
  assert.ok(mono);
  const one = await separator.separate({ sampleRate, channels: [mono] });
  const two = await separator.separate({ sampleRate, channels: [mono, mono.slice()] });
  assert.deepEqual(one.stems, two.stems);
});

void test('silence gives silence, one frame gives one frame', async () => {
  const separator = await loaded();
  const silence = {
    sampleRate: 44_100,
    channels: [new Float32Array(4000), new Float32Array(4000)],
  };
  const { stems } = await separator.separate(silence);
  for (const channel of Object.values(stems).flat()) assert.ok(channel.every((x) => x === 0));
  const single = await separator.separate(song(1));
  assert.equal(single.stems.vocals?.[0]?.length, 1);
  assert.ok(Number.isFinite(single.stems.vocals[0][0]));
});

void test('bad audio is refused with a code', async () => {
  const separator = await loaded();
  const nan = song(3000);
  if (nan.channels[1]) nan.channels[1][2205] = NaN;
  await rejectsWith(separator.separate(nan), 'INPUT_NOT_FINITE', /frame 2205 \(0\.05 s\)/);
  await rejectsWith(separator.separate(song(0)), 'INPUT_EMPTY', 'The audio holds no samples');
  let reading = 0;
  const changing = {
    sampleRate: 44_100,
    channelCount: 2,
    // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous
    async *blocks() {
      reading += 1;
      yield song(reading === 1 ? 5000 : 4000).channels;
    },
  };
  await rejectsWith(separator.separate(changing), 'INPUT_CHANGED', /another number/);
});

void test('blocks of a source are checked on both readings', async () => {
  const separator = await loaded();
  const good = [new Float32Array(3000).fill(0.5), new Float32Array(3000).fill(0.2)];
  const source = (second: unknown[]) => {
    let reading = 0;
    return {
      sampleRate: 44_100,
      channelCount: 2,
      // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous
      async *blocks() {
        reading += 1;
        yield (reading === 1 ? good : second) as Float32Array[];
      },
    };
  };
  const cases: [unknown[], RegExp][] = [
    [[new Float32Array(3000), new Float32Array(10)], /arrays of the same length/],
    [[new Float64Array(3000), new Float64Array(3000)], /array of Float32Array/],
    [[good[0], good[0], good[0]], /2 channels for channels but received 3/],
    [
      [
        [1, 2],
        [3, 4],
      ],
      /array of Float32Array/,
    ],
    [[], /non-empty array/],
  ];
  for (const [blocks, message] of cases) {
    await rejectsWith(separator.separate(source(blocks)), 'INVALID_OPTION', message);
  }
  const nothing = { sampleRate: 44_100, channelCount: 2 } as never;
  await assert.rejects(async () => separator.separate(nothing), { code: 'INVALID_OPTION' });
});

void test('wrong options are refused by name, value and type', async () => {
  const separator = await loaded();
  const wrong = (options: unknown) => separator.separate(song(10), options as SeparateOptions);
  const cases: [unknown, string][] = [
    [
      { overlap: 2 },
      'Expected number from 0 up to (not including) 1 for overlap but received 2 of type number',
    ],
    [
      { overlap: '0.5' },
      'Expected number from 0 up to (not including) 1 for overlap but received "0.5" of type string',
    ],
    [{ shifts: 1.5 }, 'Expected integer from 0 to 100 for shifts but received 1.5 of type number'],
    [{ seed: -1 }, 'Expected integer from 0 to 4294967295 for seed but received -1 of type number'],
    [{ signal: {} }, 'Expected AbortSignal for signal but received object'],
    [
      { stems: [] },
      'Expected non-empty array of stem names for stems but received array of 0 elements',
    ],
    [{ overlaps: 0.5 }, 'Misspelled option "overlaps" should be "overlap"'],
    [
      { stems: ['vocal'] },
      'Expected one of drums, bass, other, vocals for stems but received "vocal" (did you mean "vocals"?)',
    ],
    [
      { segment: 60 },
      'Expected number of seconds from 0.00005 up to 0.05 (htdemucs) for segment but received 60 of type number',
    ],
    [
      { segment: 1e-300 },
      'Expected number of seconds from 0.00005 up to 0.05 (htdemucs) for segment but received 1e-300 of type number',
    ],
    [
      { overlap: 0.999999 },
      'Expected number that leaves a step of at least one sample for overlap but received 0.999999 of type number',
    ],
  ];
  for (const [options, message] of cases) {
    await assert.rejects(async () => wrong(options), { code: 'INVALID_OPTION', message });
  }
  const rate = { ...song(10), sampleRate: 48_000 };
  await assert.rejects(async () => separator.separate(rate), {
    message: /Expected 44100 .* for sampleRate but received 48000/,
  });
  await assert.rejects(async () => separator.separate(song(10, 3)), {
    message:
      'Expected 1 or 2 channels (or set resample) for channels but received 3 of type number',
  });
});

void test('loading tells what is wrong', async () => {
  await rejectsWith(
    Separator.load('nothing', { modelsDir }),
    'MODEL_NOT_FOUND',
    /Model "nothing" is not installed in .* Installed: .*htdemucs/,
  );
  await rejectsWith(
    Separator.load('htdemucs', { modelsDir, device: 'cuda:99' }),
    'DEVICE_UNAVAILABLE',
    /"cuda:99" is not available. Available: cpu/,
  );
  await rejectsWith(
    Separator.load('htdemucs', { modelsDir, device: 'gpu' }),
    'INVALID_OPTION',
    'Expected auto, cpu, cuda or cuda:N for device but received "gpu" of type string',
  );
});

void test('abort rejects with its reason, before and during the work, and leaves a good separator', async () => {
  const separator = await loaded();
  const before = await separator.separate(song(6000));
  const reason = new Error('enough');
  const isReason = (error: unknown) => error === reason;
  await assert.rejects(
    separator.separate(song(6000), { signal: AbortSignal.abort(reason) }),
    isReason,
  );

  const controller = new AbortController();
  const running = separator.separate(song(400_000), {
    signal: controller.signal,
    onProgress: () => {
      controller.abort(reason);
    },
  });
  await assert.rejects(running, isReason);
  assert.deepEqual((await separator.separate(song(6000))).stems, before.stems);
});

void test('an abort while another separation has the device takes effect at once', async () => {
  await using busy = await Separator.load('slow', { modelsDir, warmUp: false });
  const waiting = await loaded();
  const controller = new AbortController();
  // It never ends by itself.
  const running = busy.separate(song(3000), { signal: controller.signal });
  await until(segmentRuns);
  const reason = new Error('enough');
  const stopped = new AbortController();
  const source = countingSource(3000);
  const separation = waiting.separate(source, { signal: stopped.signal });
  await until(() => source.counts.frames === 6000, 'all that comes before its first segment');
  for (let turn = 0; turn < 10; turn++) await setImmediate();
  stopped.abort(reason);
  await assert.rejects(separation, (error) => error === reason);
  controller.abort(reason);
  await assert.rejects(running, (error) => error === reason);
  assert.equal((await waiting.separate(song(3000))).manifest.input.frames, 3000);
});

void test('each iteration of a stream separates anew', async () => {
  const separator = await loaded();
  const stream = separator.stream(song(5000));
  for (const _ of [1, 2]) {
    let frames = 0;
    for await (const block of stream) frames += block.frames;
    assert.equal(frames, 5000);
  }
});

void test('dispose lets go of a stream that nobody reads on', async () => {
  const models = () => loadNative().memory().models;
  const before = models();
  const separator = await load('htdemucs_ft');
  const blocks = separator.stream(song(50_000))[Symbol.asyncIterator]();
  await blocks.next();
  assert.equal(models(), before + 1);
  await separator.dispose();
  assert.equal(models(), before);
  await assert.rejects(async () => blocks.next(), { code: 'DISPOSED' });
});

void test('leaving the loop early ends the work', async () => {
  const separator = await loaded();
  for await (const block of separator.stream(song(50_000))) {
    assert.equal(block.offset, 0);
    break;
  }
});

void test('dispose ends running work with DISPOSED and is safe to repeat', async () => {
  const separator = await Separator.load('slow', { modelsDir, warmUp: false });
  const running = separator.separate(song(3000));
  const ended = rejectsWith(running, 'DISPOSED', /was disposed of/);
  await until(segmentRuns);
  await separator.dispose();
  await ended;
  await separator.dispose();
  await rejectsWith(separator.separate(song(10)), 'DISPOSED', /was disposed of/);
});

void test('several separators and separations take turns and all finish', async () => {
  const first = await loaded();
  const second = await loaded('hdemucs_mmi');
  const results = await Promise.all([
    first.separate(song(6000)),
    second.separate(song(6000)),
    first.separate(song(6000)),
  ]);
  assert.deepEqual(results[0].stems, results[2].stems);
  assert.notDeepEqual(results[0].stems, results[1].stems);
});

void test('the event loop, files and names are served while it works', async () => {
  await using endless = await Separator.load('slow', { modelsDir, warmUp: false });
  const controller = new AbortController();
  const reason = new Error('enough');
  const running = endless.separate(song(3000), { signal: controller.signal });
  await until(segmentRuns);
  for (let round = 0; round < 50; round++) {
    await Promise.all([readFile(new URL(import.meta.url)), lookup('localhost'), setImmediate()]);
  }
  assert.ok(segmentRuns(), 'all that was within one segment');
  controller.abort(reason);
  await assert.rejects(running, reason);

  const separator = await loaded('mdx_extra');
  let turns = 0;
  const turnsAtProgress: number[] = [];
  const state = { working: true };
  const separation = separator
    .separate(song(20_000), { onProgress: () => turnsAtProgress.push(turns) })
    .finally(() => (state.working = false));
  while (state.working) {
    await setImmediate();
    turns += 1;
  }
  await separation;
  assert.ok(turnsAtProgress.length > 5);
  assert.deepEqual(
    turnsAtProgress,
    [...new Set(turnsAtProgress)],
    'a turn between any two batches',
  );
});

for (const name of ['htdemucs', 'mdx_extra']) {
  void test(`a resumed stream of ${name} goes on with the same bytes`, async () => {
    const separator = await loaded(name);
    const audio = song(Math.round(separator.model.segment * 3.3));
    const options = { shifts: 2, seed: 5, overlap: 0.4 };
    const { stems, manifest } = await separator.separate(audio, options);
    const resumeFrom = Math.round(separator.model.segment * 1.7);
    const stream = separator.stream(audio, { ...options, resumeFrom });
    let offset = resumeFrom;
    const fractions: number[] = [];
    for await (const block of separator.stream(audio, {
      ...options,
      resumeFrom,
      onProgress: ({ fraction }) => fractions.push(fraction),
    })) {
      assert.equal(block.offset, offset);
      offset += block.frames;
      for (const [stem, rows] of Object.entries(block.stems)) {
        for (const [channel, row] of rows.entries()) {
          const expected = stems[stem]?.[channel]?.subarray(block.offset, offset);
          assert.ok(expected && Buffer.compare(bytes(row), bytes(expected)) === 0);
        }
      }
    }
    assert.equal(offset, audio.channels[0]?.length);
    assert.ok(fractions[0]! > 0.3, 'what was there counts as done');
    assert.equal(fractions.at(-1), 1);
    for await (const block of stream) {
      assert.equal(block.offset, resumeFrom);
      break;
    }
    assert.deepEqual(stream.manifest, manifest);
  });
}

void test('a stream cannot be resumed beyond its end', async () => {
  const separator = await loaded();
  const [first] = [separator.stream(song(5000), { resumeFrom: 5001 })[Symbol.asyncIterator]()];
  await rejectsWith(first.next(), 'INVALID_OPTION', /from 0 to 5000 for resumeFrom/);
});

const bytes = (row: Float32Array) => new Uint8Array(row.buffer, row.byteOffset, row.byteLength);

/** Options with which a song of 22,000 frames is several segments. */
const SEGMENTED = { shifts: 2, seed: 3, overlap: 0.4 };

const sumOf = (rows: readonly Float32Array[]) =>
  rows.reduce((sum, row) => sum.map((sample, at) => sample + row[at]!));

void test('a part has the samples that the whole song has there', async () => {
  const separator = await loaded();
  const audio = song(22_000);
  const whole = await separator.separate(audio, SEGMENTED);
  const [from, to] = [11_025, 19_845];
  for (const part of [
    { start: 0.25, end: 0.45 },
    { start: '0:00.25', end: '0:00.45' },
  ]) {
    const { stems, manifest } = await separator.separate(audio, { ...SEGMENTED, ...part });
    const { start, end } = manifest.options;
    assert.deepEqual([start, end, manifest.input.frames], [from, to, 22_000]);
    for (const [name, channels] of Object.entries(stems)) {
      const expected = whole.stems[name]!.map((channel) => channel.slice(from, to));
      assert.deepEqual(channels, expected, name);
    }
  }
  const { stems } = await separator.separate(audio, { ...SEGMENTED, start: 0.25, end: 99 });
  assert.equal(stems.bass![0]!.length, 22_000 - from);
});

void test('the stream of a part begins at its start, and its progress ends at 1', async () => {
  const separator = await loaded();
  const bounds = async (more: StreamOptions) => {
    const places: number[] = [];
    const options = { ...SEGMENTED, start: 0.25, end: 0.45, ...more };
    for await (const { offset, frames } of separator.stream(song(22_000), options)) {
      places.push(offset, offset + frames);
    }
    return [places[0], places.at(-1)];
  };
  const fractions: number[] = [];
  const onProgress = ({ fraction, framesDone, framesTotal }: Progress) => {
    fractions.push(fraction);
    assert.equal(framesTotal, 19_845);
    assert.ok(framesDone <= framesTotal);
  };
  assert.deepEqual(await bounds({ onProgress }), [11_025, 19_845]);
  const rising = fractions.toSorted((one, other) => one - other);
  assert.deepEqual(fractions, rising);
  assert.equal(fractions.at(-1), 1);
  assert.deepEqual(await bounds({ resumeFrom: 15_000 }), [15_000, 19_845]);
  await rejectsWith(bounds({ resumeFrom: 19_846 }), 'INVALID_OPTION', /0 to 19845 for resumeFrom/);
  await rejectsWith(bounds({ start: 1, end: 2 }), 'INVALID_OPTION', /before the end of the song/);
});

void test('a mix is the sum of its stems, and only what it needs is run', async () => {
  const separator = await loaded('htdemucs_ft');
  const audio = song(5000);
  const { stems: all } = await separator.separate(audio);
  const options = { stems: ['bass'], mix: ['beat=bass+drums', 'solo=vocals'] };
  const { stems, manifest } = await separator.separate(audio, options);
  assert.deepEqual(Object.keys(stems), ['bass', 'beat', 'solo']);
  for (const channel of [0, 1]) {
    assert.deepEqual(stems.beat![channel], sumOf([all.drums![channel]!, all.bass![channel]!]));
  }
  assert.deepEqual([stems.bass, stems.solo], [all.bass, all.vocals]);
  assert.deepEqual(
    manifest.model.members.map(({ run }) => run),
    [true, true, false, true],
  );
  assert.throws(
    () => separator.stream(audio, { mix: ['bass=drums+other'] }),
    /name that no other stem has/,
  );
});

void test('mixture-consistent stems add up to the song, and each gets an equal share', async () => {
  const separator = await loaded();
  for (const part of [{}, { start: 0.25, end: 0.45 }]) {
    const source = countingSource(22_000);
    const options = { ...SEGMENTED, ...part };
    const { stems: plain } = await separator.separate(source, options);
    const consistent = { ...options, mixtureConsistent: true };
    const { stems, manifest } = await separator.separate(source, consistent);
    const { start, end } = manifest.options;
    for (const [channel, samples] of song(22_000).channels.entries()) {
      const expected = samples.slice(start, end);
      const rowsOf = (of: typeof stems) => Object.values(of).map((rows) => rows[channel]!);
      assert.ok(differenceDb(expected, sumOf(rowsOf(stems))) < -120);
      const before = sumOf(rowsOf(plain));
      const share = plain.bass![channel]!.map(
        (sample, at) => sample + (expected[at]! - before[at]!) / 4,
      );
      assert.ok(differenceDb(share, stems.bass![channel]!) < -120);
    }
    const one = await separator.separate(source, { ...consistent, stems: ['vocals'] });
    assert.deepEqual(one.stems, { vocals: stems.vocals });
  }
});
