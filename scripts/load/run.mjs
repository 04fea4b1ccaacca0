/**
 * Loads the real service: many clients with songs of their own, then many listeners to one job.
 *
 *     npm run load -- [--jobs 200] [--clients 20] [--listeners 1000] [--write]
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { root } from '../setup/files.mjs';
import { setup } from '../setup/index.mjs';
import { main } from '../setup/report.mjs';
import { createClient, listen } from './client.mjs';
import { makeSong } from './song.mjs';
import { memory, startService } from './service.mjs';

const SONG_SECONDS = 6;
/** Milliseconds between a client's looks at its job, as a web page would poll. */
const POLL = 200;
const SAMPLE = 1_000;
/** Milliseconds that the listeners are held. */
const HOLD = 20_000;
const HELD_CALLS = 500;

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '200' },
    clients: { type: 'string', default: '20' },
    listeners: { type: 'string', default: '1000' },
    processes: { type: 'string', default: '1' },
    threads: { type: 'string', default: '1' },
    write: { type: 'boolean', default: false },
  },
});
const [jobs, clients, listeners, processes, threads] = [
  values.jobs,
  values.clients,
  values.listeners,
  values.processes,
  values.threads,
].map(Number);

const quantile = (sorted, share) =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];

function summary(times) {
  const sorted = times.toSorted((a, b) => a - b);
  return {
    calls: sorted.length,
    median: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    most: sorted.at(-1),
  };
}

function watchMemory(service) {
  const samples = [];
  const timer = setInterval(() => {
    memory(service).then(
      (sample) => samples.push(sample),
      () => undefined,
    );
  }, SAMPLE);
  return {
    samples,
    stop: () => clearInterval(timer),
  };
}

const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

/** MB of each kind of process in the second and in the last quarter of the run. */
function growth(samples) {
  const quarter = Math.max(1, Math.floor(samples.length / 4));
  const of = (part, name) => mean(part.map((sample) => sample[name])) / 1e6;
  return Object.fromEntries(
    ['supervisor', 'api', 'worker'].map((name) => [
      name,
      {
        early: of(samples.slice(quarter, 2 * quarter), name),
        late: of(samples.slice(-quarter), name),
      },
    ]),
  );
}

async function manyJobs(service) {
  const watch = watchMemory(service);
  const started = performance.now();
  const times = [];
  const done = [];
  let next = 0;
  const client = async () => {
    const own = createClient(service);
    while (next < jobs) {
      next++;
      const id = await own.submit(makeSong(SONG_SECONDS), { stems: 'vocals,drums' });
      let job;
      do {
        await sleep(POLL);
        job = await own.state(id);
      } while (job.status === 'pending' || job.status === 'processing');
      done.push(job);
    }
    times.push(...own.times);
    own.close();
  };
  await Promise.all(Array.from({ length: clients }, client));
  watch.stop();

  const starts = service.lines.filter(({ event }) => event === 'job_started');
  const startsOf = new Map();
  for (const { job_id: id } of starts) startsOf.set(id, (startsOf.get(id) ?? 0) + 1);
  const results = new Set(done.map(({ result }) => result?.stems.vocals.sha256));
  return {
    seconds: (performance.now() - started) / 1000,
    completed: done.filter(({ status }) => status === 'completed').length,
    lost: jobs - done.length,
    twice: [...startsOf.values()].filter((count) => count > 1).length,
    distinct: results.size,
    status: summary(times),
    memory: growth(watch.samples),
  };
}

async function manyListeners(service) {
  const client = createClient(service);
  const id = await client.submit(makeSong(SONG_SECONDS), { model: 'slow' });
  while ((await client.state(id)).stage !== 'separating') await sleep(POLL);
  const before = await memory(service);
  let open = 0;
  const opened = performance.now();
  const streams = Array.from({ length: listeners }, () => listen(service, id, () => open++));
  while (open < listeners) await sleep(POLL);
  const openSeconds = (performance.now() - opened) / 1000;
  client.times.length = 0;
  for (let call = 0; call < HELD_CALLS; call++) {
    await client.state(id);
    await sleep(HOLD / HELD_CALLS);
  }
  const held = await memory(service);
  const cancelled = performance.now();
  await client.cancel(id);
  const texts = await Promise.all(streams);
  const endSeconds = (performance.now() - cancelled) / 1000;
  client.close();
  return {
    openSeconds,
    endSeconds,
    terminal: texts.filter((text) => text.includes('"cancelled"')).length,
    status: summary(client.times),
    apiMemory: { before: before.api / 1e6, held: held.api / 1e6 },
  };
}

const ms = (number) => `${number.toFixed(1)} ms`;
const mb = (number) => `${number.toFixed(0)} MB`;

function report(load, held) {
  const row = (name, { calls, median, p99, most }) =>
    `| ${name} | ${calls} | ${ms(median)} | ${ms(p99)} | ${ms(most)} |`;
  return `# The service under load

\`npm run load\` starts \`oxboard serve\` and drives it over HTTP from the same machine, which is thus shared by clients, API, worker and Redis: ${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}), Node.js ${process.versions.node}, ${processes} API process, 1 worker with ${threads} thread on the embedded network. Written by \`npm run load -- --write\` on ${new Date().toISOString().slice(0, 10)}.

## ${jobs} jobs by ${clients} clients

Each song is ${SONG_SECONDS} seconds of other noise; each client posts one, asks for its state every ${POLL} ms until it is done, and posts the next.

- ${load.completed} of ${jobs} completed, ${load.lost} lost, ${load.twice} begun more than once, ${load.distinct} distinct results, in ${load.seconds.toFixed(0)} s.
- Memory in the second and in the last quarter of the run: ${Object.entries(load.memory)
    .map(([name, { early, late }]) => `${name} ${mb(early)} and ${mb(late)}`)
    .join(', ')}.

## ${listeners} listeners

${listeners} streams of events (SSE) of one job that is being separated, opened in ${held.openSeconds.toFixed(1)} s and held for at least ${HOLD / 1000} s. Then the job is cancelled: ${held.terminal} of ${listeners} got the last event and their end within ${held.endSeconds.toFixed(1)} s. The API process had ${mb(held.apiMemory.before)} before and ${mb(held.apiMemory.held)} with all of them.

## GET /jobs/:id

| While | calls | median | 99th percentile | most |
| --- | --- | --- | --- | --- |
${row('songs are uploaded and separated', load.status)}
${row('listeners are held', held.status)}
`;
}

await main(async () => {
  await setup();
  const service = await startService({ processes, threads });
  try {
    const load = await manyJobs(service);
    const held = await manyListeners(service);
    const text = report(load, held);
    console.log(text);
    if (values.write) writeFileSync(join(root, 'docs/load.md'), text);
    const good =
      load.completed === jobs &&
      load.twice === 0 &&
      load.distinct === jobs &&
      held.terminal === listeners;
    return good ? 0 : 1;
  } finally {
    await service.stop();
  }
});
