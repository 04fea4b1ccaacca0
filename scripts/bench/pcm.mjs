// What the way of the samples costs beside the network: decoding, spools, checkpoints, encoding and
// hashing, with a separator that only scales the song. CPU seconds of this process and of its ffmpegs
// (Linux), medians; with --before each round runs the build of another commit too, by turns.
//
//     npm run build && node scripts/bench/pcm.mjs [--before ../other/dist] [--rounds 7] [--seconds 180]
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const SOURCES = ['drums', 'bass', 'other', 'vocals'];
const FORMATS = ['wav', 'flac', 'mp3', 'opus', 'm4a'];
const RATE = 44_100;

const { values } = parseArgs({
  options: {
    before: { type: 'string' },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '180' },
    formats: { type: 'string', default: 'wav' },
    /** Of one run: the build, the song and the format. */
    run: { type: 'string' },
    song: { type: 'string', default: '' },
    format: { type: 'string', default: '' },
  },
});

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

function scaled(samples, factor) {
  const result = new Float32Array(samples.length);
  for (let at = 0; at < samples.length; at++) result[at] = samples[at] * factor;
  return result;
}

/** CPU seconds of this process, and of its children that have ended. */
function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ');
  return { own: (user + system) / 1e6, ffmpeg: (Number(fields[13]) + Number(fields[14])) / 100 };
}

/** One song through one build; prints what each stage cost, and the hashes of the stems. */
async function runOnce(dist, song, format) {
  const load = (file) => import(join(dist, file));
  const [{ separateFile }, { probe }, { measureSource }, { openStorage }, { StoredCheckpoints }] =
    await Promise.all(
      [
        'separation/separate-file.js',
        'audio/probe.js',
        'engine/statistics.js',
        'storage/open.js',
        'worker/stored-checkpoints.js',
      ].map(load),
    );
  const { outputOptions, resolveOptions } = await load('options.js');
  const folder = mkdtempSync(join(dirname(song), 'run-'));
  const storage = await openStorage({ storageUrl: undefined, dataDir: folder });
  const signal = new AbortController().signal;
  const separator = {
    model: { name: 'scaled', sources: SOURCES, sampleRate: RATE, channels: 2 },
    stream: (source, { resumeFrom = 0 }) => ({
      manifest: {},
      async *[Symbol.asyncIterator]() {
        await measureSource(source, signal);
        let offset = 0;
        for await (const block of source.blocks(signal)) {
          const frames = block[0].length;
          const stems = SOURCES.map((name, index) => [
            name,
            block.map((channel) => scaled(channel, 0.1 + index / 10)),
          ]);
          if (offset >= resumeFrom) yield { offset, frames, stems: Object.fromEntries(stems) };
          offset += frames;
        }
      },
    }),
  };
  const checkpoints = new StoredCheckpoints({
    storage,
    prefix: 'checkpoints/job/runtime',
    directory: folder,
    interval: () => 0.1,
    signal,
    logger: { warn: (event, { error }) => console.error(event, error) },
  });
  let stage = 'decoding';
  let last = cpuSeconds();
  const began = performance.now();
  const costs = {};
  const enter = (next) => {
    const now = cpuSeconds();
    costs[stage] = now.own - last.own;
    if (next === undefined) costs.ffmpeg = now.ffmpeg;
    [stage, last] = [next, now];
  };
  const { output } = await separateFile({
    input: await probe(song),
    separator,
    output: resolveOptions(outputOptions, { out: join(folder, 'out'), format }),
    options: {},
    checkpoints,
    onProgress: ({ stage: now }) => now !== stage && enter(now),
  });
  enter(undefined);
  costs.wall = (performance.now() - began) / 1000;
  rmSync(folder, { recursive: true });
  const hashes = Object.values(output.stems).map(({ sha256 }) => sha256);
  console.log(JSON.stringify({ costs, hashes }));
}

function compare() {
  const builds = {
    now: join(root, 'dist'),
    ...(values.before && { before: resolve(values.before) }),
  };
  const folder = mkdtempSync(join(root, '.bench-'));
  try {
    const song = join(folder, 'song.wav');
    const noise = `aevalsrc=0.5*(random(0)*2-1)|0.5*(random(1)*2-1):s=${RATE}:d=${values.seconds}`;
    execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-f', 'lavfi', '-i', noise, song]);
    for (const format of values.formats === 'all' ? FORMATS : values.formats.split(',')) {
      const measured = {};
      const hashes = new Set();
      for (let round = 0; round < Number(values.rounds); round++) {
        for (const [name, dist] of Object.entries(builds)) {
          const args = ['--run', dist, '--song', song, '--format', format];
          const printed = execFileSync(process.execPath, [fileURLToPath(import.meta.url), ...args]);
          const run = JSON.parse(printed.toString());
          hashes.add(run.hashes.join());
          for (const [part, seconds] of Object.entries(run.costs)) {
            ((measured[name] ??= {})[part] ??= []).push(seconds);
          }
        }
      }
      console.log(`${format}: the stems are ${hashes.size === 1 ? 'equal' : 'NOT EQUAL'}`);
      for (const [name, parts] of Object.entries(measured)) {
        const shown = Object.entries(parts).map(
          ([part, all]) => `${part} ${median(all).toFixed(2)} s`,
        );
        console.log(`  ${name}: ${shown.join(', ')}`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (values.run) await runOnce(values.run, values.song, values.format);
else compare();
