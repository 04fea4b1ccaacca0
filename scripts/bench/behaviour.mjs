// npm run bench:behaviour: what full-size htdemucs does to the process that embeds it: memory from
// song to song, delay of the event loop, and how fast an abort takes effect. Writes
// docs/behaviour.md.
//
//     npm run bench:behaviour -- [--songs 10] [--print]
import { lookup } from 'node:dns/promises';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { runPython } from '../python.mjs';
import { root } from '../setup/files.mjs';
import { setup } from '../setup/index.mjs';
import { main } from '../setup/report.mjs';

const megabytes = (bytes) => (bytes / 2 ** 20).toFixed(0);
const milliseconds = (nanoseconds) => (nanoseconds / 1e6).toFixed(1);

/** Resident memory now; process.memoryUsage() would count what the kernel has not yet noticed. */
function residentBytes() {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(kilobytes) * 1024;
}

const equal = (a, b) =>
  Object.keys(a).every((stem) =>
    a[stem].every((row, channel) => Buffer.compare(bytesOf(row), bytesOf(b[stem][channel])) === 0),
  );
const bytesOf = (row) => Buffer.from(row.buffer, row.byteOffset, row.byteLength);

await main(async () => {
  const { values } = parseArgs({
    options: {
      songs: { type: 'string', default: '10' },
      print: { type: 'boolean', default: false },
    },
  });
  await setup();
  await runPython([join(root, 'scripts/bench/prepare.py'), 'htdemucs']);
  const { Separator } = await import('oxboard-demucs');

  const separator = await Separator.load('htdemucs', {
    modelsDir: join(root, '.parity/models'),
    device: 'cpu',
    warmUp: false,
  });
  const { segment, sampleRate } = separator.model;
  const channels = [0.03, 0.05].map((step) =>
    Float32Array.from({ length: segment }, (_, i) => Math.sin(i * step) / 2),
  );
  const song = { sampleRate, channels };

  // Memory, song after song.
  const resident = [];
  let first;
  for (let count = 1; count <= Number(values.songs); count += 1) {
    const { stems } = await separator.separate(song);
    first ??= stems;
    resident.push(residentBytes());
    console.log(`song ${count}: ${megabytes(resident.at(-1))} MB resident`);
  }

  // The event loop, and calls that need the threadpool, while a song is separated.
  const delay = monitorEventLoopDelay({ resolution: 5 });
  const state = { working: true, calls: 0, slowest: 0 };
  const separation = separator.separate(song).finally(() => {
    state.working = false;
  });
  delay.enable();
  while (state.working) {
    const begin = performance.now();
    await Promise.all([readFile(join(root, 'package.json')), lookup('localhost')]);
    state.slowest = Math.max(state.slowest, performance.now() - begin);
    state.calls += 1;
    await sleep(20);
  }
  delay.disable();
  await separation;

  // An abort in the middle of a segment, and the same separator afterwards.
  const late = [];
  for (const after of [700, 1500, 2500, 3500, 4500]) {
    const controller = new AbortController();
    const reason = new Error('enough');
    const stopped = separator.separate(song, { signal: controller.signal }).catch((error) => {
      if (error !== reason) throw error;
      late.push(performance.now() - begin);
    });
    await sleep(after);
    const begin = performance.now();
    controller.abort(reason);
    await stopped;
  }
  const before = process.cpuUsage();
  await sleep(1000);
  const { user, system } = process.cpuUsage(before);
  const again = await separator.separate(song);
  await separator.dispose();

  const report = [
    '# What full-size htdemucs does to the process that embeds it',
    '',
    'Written by `npm run bench:behaviour`: random weights, songs of one segment (7.8 s).',
    `${cpus()[0].model}, ${cpus().length} cores, ${separator.threads} threads; ` +
      `Node.js ${process.versions.node}; ${new Date().toISOString().slice(0, 10)}.`,
    '',
    '| what | measured |',
    '| --- | --- |',
    `| resident memory after song 1, 2, ... ${values.songs} | ${resident.map(megabytes).join(', ')} MB |`,
    `| peak resident memory | ${megabytes(process.resourceUsage().maxRSS * 1024)} MB |`,
    `| event loop delay while separating (resolution 5 ms) | p50 ${milliseconds(delay.percentile(50))} ms, ` +
      `p99 ${milliseconds(delay.percentile(99))} ms, max ${milliseconds(delay.max)} ms |`,
    `| file reads and name look-ups meanwhile | ${state.calls} of each, slowest ${state.slowest.toFixed(0)} ms |`,
    `| abort in the middle of a segment | rejected with signal.reason after ` +
      `${late.map((ms) => ms.toFixed(0)).join(', ')} ms |`,
    `| CPU time in the second after an abort | ${((user + system) / 1000).toFixed(0)} ms |`,
    `| the same separator afterwards | ${equal(first, again.stems) ? 'equal to the bit' : 'DIFFERENT'} |`,
    '',
  ].join('\n');
  console.log(`\n${report}`);
  if (values.print) return;
  mkdirSync(join(root, 'docs'), { recursive: true });
  writeFileSync(join(root, 'docs/behaviour.md'), report);
});
