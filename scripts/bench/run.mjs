// npm run bench: ours against eager Python demucs, in one run, by turns, on the same machine, torch,
// weights, threads and song, and the time of each operator with and without the optimizations.
// Prints medians and their ratio and writes docs/benchmark-MODEL.md and a chart.
//
//     npm run bench -- [--model htdemucs] [--pairs 5] [--segments 2] [--threads N] [--print]
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { ensurePython, pythonEnvironment, runPython } from '../python.mjs';
import { root } from '../setup/files.mjs';
import { setup } from '../setup/index.mjs';
import { createReport, main, SetupError } from '../setup/report.mjs';
import { buildCoreProgram } from '../suites.mjs';
import { measureOperators, operatorChart, operatorTable } from './operators.mjs';

const RATE = 44_100;
const cache = join(root, '.parity');

/** A program that answers each line with one of JSON. */
class Side {
  constructor(name, command, args) {
    this.name = name;
    this.child = spawn(command, args, {
      env: pythonEnvironment(),
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    this.runs = [];
  }

  async answer() {
    const { value, done } = await this.lines.next();
    if (done) throw new SetupError(`${this.name} ended before its answer`);
    return JSON.parse(value);
  }

  async ask(command) {
    this.child.stdin.write(`${command}\n`);
    return this.answer();
  }

  async run() {
    this.runs.push(await this.ask('run'));
    return this.runs.at(-1);
  }

  end() {
    this.child.stdin.end();
  }
}

/** Sines, chirps and noise: networks take the same time for any song. */
function makeSong(file, frames) {
  const pcm = new Float32Array(2 * frames);
  let state = 1;
  for (let i = 0; i < pcm.length; i += 1) {
    state = (state * 48_271) % 2_147_483_647;
    const t = (i % frames) / RATE;
    const noise = state / 2_147_483_647 - 0.5;
    pcm[i] = 0.3 * Math.sin(440 * t) + 0.2 * Math.sin(90 * t * t) + 0.2 * noise;
  }
  writeFileSync(file, pcm);
}

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
};

await main(async () => {
  const { values } = parseArgs({
    options: {
      model: { type: 'string', default: 'htdemucs' },
      pairs: { type: 'string', default: '5' },
      segments: { type: 'string', default: '2' },
      threads: { type: 'string', default: String(cpus().length) },
      print: { type: 'boolean', default: false },
    },
  });
  const { model, threads } = values;
  const { libtorch } = await setup();
  const operatorsProgram = await createReport().step('C++', (step) =>
    buildCoreProgram(step, libtorch, { target: 'oxboard_operators' }),
  );
  await runPython([join(root, 'scripts/bench/prepare.py'), model]);

  // Frames of a song that needs exactly that many chunks at the default overlap.
  const segment = model === 'htdemucs' ? 343_980 : 1_940_400;
  const stride = Math.trunc(0.75 * segment);
  const frames = segment + (Number(values.segments) - 1) * stride - (segment - stride);
  mkdirSync(join(cache, 'bench'), { recursive: true });
  const song = join(cache, 'bench', `song-${frames}.f32`);
  if (!existsSync(song)) makeSong(song, frames);

  const python = await ensurePython();
  const here = join(root, 'scripts/bench');
  const tail = [song, String(frames), threads];
  const sides = [
    new Side('Python demucs', python, [
      join(here, 'demucs_side.py'),
      model,
      join(cache, 'repo-full'),
      ...tail,
    ]),
    new Side('oxboard', process.execPath, [
      join(here, 'ours.mjs'),
      model,
      join(cache, 'models'),
      ...tail,
    ]),
  ];
  for (const side of sides) side.load = (await side.answer()).load;
  // One run each that does not count: caches, threads and memory are then as in a service.
  for (const side of sides) {
    await side.run();
    side.runs.length = 0;
  }
  for (let pair = 1; pair <= Number(values.pairs); pair += 1) {
    for (const side of sides) {
      const { seconds } = await side.run();
      console.log(`${pair}/${values.pairs}  ${side.name.padEnd(14)} ${seconds.toFixed(2)} s`);
    }
  }
  const { flops } = await sides[0].ask('flops');
  const { flopsPerSecond } = await sides[0].ask('sgemm');
  for (const side of sides) side.end();
  const { members } = JSON.parse(readFileSync(join(cache, 'models', model, 'model.json')));
  const { OPTIMIZATIONS } = await import('oxboard-demucs');
  const operators = measureOperators(
    operatorsProgram,
    join(cache, 'models', model, members[0].file),
    segment,
    threads,
    OPTIMIZATIONS,
  );

  const [theirs, ours] = sides.map((side) => median(side.runs.map((run) => run.seconds)));
  const perSegment = (seconds) => (seconds / Number(values.segments)).toFixed(2);
  const row = (side, seconds) =>
    `| ${side.name} | ${seconds.toFixed(2)} | ${perSegment(seconds)} | ` +
    `${(frames / RATE / seconds).toFixed(2)} | ${side.load.toFixed(2)} | ` +
    `${(Math.max(...side.runs.map((run) => run.peakBytes)) / 2 ** 20).toFixed(0)} |`;
  const giga = (value) => (value / 1e9).toFixed(0);
  const speed = (seconds) => (flops * Number(values.segments)) / seconds;
  const share = (seconds) => `${((100 * speed(seconds)) / flopsPerSecond).toFixed(0)} %`;
  const report = [
    `## ${model}, full size, random weights`,
    '',
    `${cpus()[0].model}, ${cpus().length} cores, ${threads} threads; ${values.pairs} pairs by turns, ` +
      `medians; a song of ${(frames / RATE).toFixed(1)} s in ${values.segments} segments; ` +
      `${new Date().toISOString().slice(0, 10)}`,
    '',
    '| | seconds | per segment | x real time | load, s | peak memory, MB |',
    '| --- | ---: | ---: | ---: | ---: | ---: |',
    row(sides[0], theirs),
    row(sides[1], ours),
    '',
    `**oxboard is ${(theirs / ours).toFixed(2)}x as fast as Python demucs (eager).**`,
    '',
    `One segment takes ${giga(flops)} GFLOP as the networks are written: ${giga(speed(theirs))} GFLOP/s ` +
      `in Python, ${giga(speed(ours))} GFLOP/s in oxboard. Products of large matrices ran at ` +
      `${giga(flopsPerSecond)} GFLOP/s (the best of five, afterwards), of which these are ` +
      `${share(theirs)} and ${share(ours)}.`,
    '',
    '### One segment, operator by operator',
    '',
    'The network alone, in a program of its own (`native/bench`): three runs with all optimizations off,',
    'then three with all on.',
    '',
    operatorTable(operators),
    '',
    `![Time of each operator](benchmark-${model}.svg)`,
    '',
  ].join('\n');
  console.log(`\n${report}`);
  if (!values.print) {
    mkdirSync(join(root, 'docs'), { recursive: true });
    writeFileSync(join(root, `docs/benchmark-${model}.md`), report);
    writeFileSync(
      join(root, `docs/benchmark-${model}.svg`),
      operatorChart(`${model}, one segment`, operators),
    );
  }
});
