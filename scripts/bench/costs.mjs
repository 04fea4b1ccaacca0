// npm run bench:costs: what the parts of a separation cost with full-size htdemucs: the first stems
// of a new process, one stem of htdemucs_ft, threads, two jobs at once, page faults. Writes
// docs/costs.md.
//
//     npm run bench:costs -- [--rounds 5] [--print]
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensurePython, pythonEnvironment, runPython } from '../python.mjs';
import { root } from '../setup/files.mjs';
import { setup } from '../setup/index.mjs';
import { main } from '../setup/report.mjs';

const cache = join(root, '.parity');
const modelsDir = join(cache, 'models');
const here = join(root, 'scripts/bench');
const RATE = 44_100;
/** A song that is one segment: the next one would begin here. */
const FRAMES = 257_985;

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const seconds = (value) => value.toFixed(2);

function noise(frames) {
  const channels = [0, 1].map(() =>
    Float32Array.from({ length: frames }, () => Math.random() - 0.5),
  );
  return { sampleRate: RATE, channels };
}

async function timed(work) {
  const begin = performance.now();
  await work();
  return (performance.now() - begin) / 1000;
}

/** Seconds until a program that is started now prints each of its lines. */
function linesOf(command, args) {
  const started = Date.now();
  const output = execFileSync(command, args, { env: pythonEnvironment(), encoding: 'utf8' });
  return output
    .trim()
    .split('\n')
    .map((line) => (Number(line) - started) / 1000);
}

/** A bag of four networks, each for one source, as htdemucs_ft is; all with the weights of one. */
function makeSpecialists() {
  const [from, to] = ['htdemucs', 'htdemucs_ft'].map((name) => join(modelsDir, name));
  if (existsSync(join(to, 'model.json'))) return;
  const description = JSON.parse(readFileSync(join(from, 'model.json'), 'utf8'));
  const [member] = description.members;
  mkdirSync(to, { recursive: true });
  const members = description.sources.map((_, index) => {
    const file = `specialist-${String(index)}.pt`;
    copyFileSync(join(from, member.file), join(to, file));
    return { ...member, file, weights: description.sources.map((_, k) => (k === index ? 1 : 0)) };
  });
  const content = { ...description, name: 'htdemucs_ft', members };
  writeFileSync(join(to, 'model.json'), `${JSON.stringify(content, null, 2)}\n`);
}

await main(async () => {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      print: { type: 'boolean', default: false },
    },
  });
  const rounds = Array.from({ length: Number(values.rounds) }, (_, i) => i);
  await setup();
  await runPython([join(here, 'prepare.py'), 'htdemucs']);
  makeSpecialists();
  const python = await ensurePython();
  const { Separator } = await import('oxboard-demucs');
  const load = (name, options = {}) =>
    Separator.load(name, { modelsDir, device: 'cpu', warmUp: false, ...options });
  const threads = cpus().length;
  const rows = [];
  const row = (what, measured) => {
    rows.push(`| ${what} | ${measured} |`);
    console.log(`${what}: ${measured}`);
  };

  // A new process: model loaded, first segment finished. By turns.
  const starts = { python: [], ours: [] };
  for (const _ of rounds) {
    starts.python.push(
      linesOf(python, [join(here, 'first_segment.py'), join(cache, 'repo-full'), String(FRAMES)]),
    );
    starts.ours.push(
      linesOf(process.execPath, [join(here, 'first-segment.mjs'), modelsDir, String(FRAMES)]),
    );
  }
  const nth = (side, n) => seconds(median(starts[side].map((lines) => lines[n])));
  row('process start to model loaded', `${nth('ours', 0)} s (Python ${nth('python', 0)} s)`);
  row(
    'process start to the first finished segment',
    `${nth('ours', 1)} s (Python ${nth('python', 1)} s)`,
  );

  // Threads, two jobs on one device, page faults.
  const song = noise(FRAMES);
  const perThreads = [];
  for (const count of [1, threads]) {
    const separator = await load('htdemucs', { threads: count });
    await separator.separate(song);
    const times = [];
    for (const _ of rounds) times.push(await timed(() => separator.separate(song)));
    perThreads.push(median(times));
    if (count === threads) {
      const faults = [];
      const alone = [];
      const together = [];
      for (const _ of rounds) {
        const before = process.resourceUsage().minorPageFault;
        alone.push(await timed(() => separator.separate(song)));
        faults.push(process.resourceUsage().minorPageFault - before);
        together.push(
          await timed(() => Promise.all([separator.separate(song), separator.separate(song)])),
        );
      }
      row(
        `one segment with 1 thread, with ${String(threads)}`,
        `${perThreads.map(seconds).join(' s, ')} s (${(perThreads[0] / perThreads[1]).toFixed(2)}x)`,
      );
      row(
        'songs of one segment per minute: one job, two jobs at once',
        `${(60 / median(alone)).toFixed(1)}, ${(120 / median(together)).toFixed(1)}`,
      );
      row(
        'page faults while a segment is separated, process warm',
        `${String(median(faults))}, of which the stems that are handed over take ` +
          String(Math.ceil((4 * 2 * FRAMES * 4) / 4096)),
      );
    }
    await separator.dispose();
  }

  // One stem of a bag of specialists.
  const separator = await load('htdemucs_ft');
  await separator.separate(song);
  const whole = [];
  const vocals = [];
  for (const _ of rounds) {
    whole.push(await timed(() => separator.separate(song)));
    vocals.push(await timed(() => separator.separate(song, { stems: ['vocals'] })));
  }
  await separator.dispose();
  row(
    'a segment of htdemucs_ft: all stems, vocals only (`--stems vocals`, `--two-stems vocals --other-method minus`)',
    `${seconds(median(whole))} s, ${seconds(median(vocals))} s (${(median(vocals) / median(whole)).toFixed(2)} of it)`,
  );

  const report = [
    '# What the parts cost',
    '',
    'Written by `npm run bench:costs`: full-size htdemucs and a bag of four such networks as',
    'htdemucs_ft is, random weights, songs of one segment, medians of ' + `${values.rounds}.`,
    `${cpus()[0].model}, ${String(threads)} cores; Node.js ${process.versions.node}; ` +
      `${new Date().toISOString().slice(0, 10)}.`,
    '',
    '| what | measured |',
    '| --- | --- |',
    ...rows,
    '',
  ].join('\n');
  if (values.print) console.log(report);
  else writeFileSync(join(root, 'docs/costs.md'), report);
});
