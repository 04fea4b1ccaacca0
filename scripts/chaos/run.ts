/**
 * Runs the service under faults, and checks that every promise of docs/guarantees.md was kept.
 *
 *     npm run chaos -- [--minutes 5] [--rounds N] [--seed N] [--faults kill-worker,kill-redis]
 *
 * The seed decides which faults come in which order, and what the clients do; when exactly they hit is
 * up to the machine.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { randomNumbers } from '../../src/lib/random.js';
import { check, type JobLog, type Outcome } from './checker.js';
import { Clients } from './clients.js';
import { deal, FAULTS, type Fault } from './faults.js';
import { emptyHistory, isFinal, type History } from './history.js';
import { remainingKeys, remainingObjects, remainingWork, tidy } from './leftovers.js';
import { Service } from './service.js';
import { recipes, type Recipe } from './songs.js';

const CLIENTS = 3;
const SHORTEST_PAUSE_MS = 1_500;
const LONGEST_PAUSE_MS = 5_000;
const POLL_MS = 500;
/** For what was killed to be there again. */
const RETURN_TIMEOUT_MS = 2 * 60_000;
/** For the jobs to end when there are no faults any more, and for all that is looked at then. */
const SETTLE_TIMEOUT_MS = 15 * 60_000;

interface Options {
  minutes: number;
  /** How often each fault comes, unless the minutes are over before. */
  rounds: number;
  seed: number;
  faults: Fault[];
}

function readOptions(): Options {
  const names = FAULTS.map(({ name }) => name);
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '5' },
      rounds: { type: 'string', default: 'Infinity' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      faults: { type: 'string', default: names.join(',') },
    },
  });
  const [minutes, rounds, seed] = [values.minutes, values.rounds, values.seed].map(Number) as [
    number,
    number,
    number,
  ];
  if (!(minutes > 0 && minutes <= 24 * 60)) throw new Error('--minutes is a number up to 1440');
  if (!(rounds >= 1)) throw new Error('--rounds is a number of at least 1');
  if (!Number.isInteger(seed)) throw new Error('--seed is an integer');
  const faults = values.faults.split(',').map((name) => {
    const fault = FAULTS.find((one) => one.name === name);
    if (!fault) throw new Error(`There is no fault "${name}". There are: ${names.join(', ')}`);
    return fault;
  });
  return { minutes, rounds, seed, faults };
}

/** Compiles the library that breaks the storage; undefined where that cannot be done. */
function buildLibrary(root: string): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const source = fileURLToPath(new URL('broken-folder.c', import.meta.url));
  const library = path.join(root, 'broken-folder.so');
  execFileSync('cc', ['-shared', '-fPIC', '-O2', '-Wall', '-o', library, source, '-ldl']);
  return library;
}

/** Makes each recipe's result without faults; SHA-256 of its stems by recipe. */
async function undisturbed(clients: Clients, all: readonly Recipe[], end: AbortSignal) {
  const expected = new Map<string, Record<string, string>>();
  for (const recipe of all) {
    const { id } = await clients.post(recipe, end);
    const outcome = await outcomeOf(clients, id, end);
    if (outcome?.status !== 'completed') {
      throw new Error(`Without faults, ${recipe.name} ended as ${JSON.stringify(outcome)}`);
    }
    expected.set(recipe.name, outcome.downloaded);
    await clients.remove(id, end);
  }
  return expected;
}

/** What becomes of a job; undefined: there is no such job. */
async function outcomeOf(
  clients: Clients,
  id: string,
  end: AbortSignal,
): Promise<Outcome | undefined> {
  for (;;) {
    const state = await clients.state(id, end);
    if (!state) return undefined;
    if (isFinal(state.status)) {
      return {
        status: state.status,
        errorCode: errorCodeOf(state),
        told: Object.fromEntries(
          Object.entries(state.result?.stems ?? {}).map(([name, { sha256 }]) => [name, sha256]),
        ),
        downloaded: await clients.stems(state, end),
      };
    }
    await sleep(POLL_MS, undefined, { signal: end });
  }
}

const errorCodeOf = ({ error, error_code: code }: { error: unknown; error_code?: string }) =>
  code ?? (error as { code?: string } | null)?.code;

/** Breaks things until the time is over. @returns how often each fault was there. */
async function breakThings(
  service: Service,
  history: History,
  { minutes, rounds, faults }: Options,
  random: () => number,
): Promise<Map<string, number>> {
  const counts = new Map(faults.map(({ name }) => [name, 0]));
  const deadline = performance.now() + minutes * 60_000;
  let left = rounds * faults.length;
  for (const fault of deal(faults, random)) {
    if (left-- === 0) break;
    await sleep(SHORTEST_PAUSE_MS + random() * (LONGEST_PAUSE_MS - SHORTEST_PAUSE_MS));
    if (performance.now() > deadline) break;
    const onLoss = (loss: History['losses'][number]) => history.losses.push(loss);
    // What was killed just now is not there yet.
    const back = performance.now() + RETURN_TIMEOUT_MS;
    while (!(await fault.run({ service, random, onLoss }))) {
      if (performance.now() > back) {
        history.wrongAnswers.push(`What ${fault.name} breaks does not come back`);
        return counts;
      }
      await sleep(POLL_MS);
    }
    counts.set(fault.name, (counts.get(fault.name) ?? 0) + 1);
    console.log(`${new Date().toISOString()} ${fault.name}`);
  }
  return counts;
}

function jobLogs({ logs }: Service): Map<string, JobLog> {
  const all = new Map<string, JobLog>();
  for (const { event, job_id: id } of logs) {
    if (id === undefined) continue;
    const log = all.get(id) ?? { started: 0, completed: 0 };
    if (event === 'job_started') log.started++;
    if (event === 'job_completed') log.completed++;
    all.set(id, log);
  }
  return all;
}

/** Removes all jobs, and tells what is left then. */
async function findLeftovers(service: Service, clients: Clients, end: AbortSignal) {
  for (const id of await clients.list(end)) {
    while (await clients.remove(id, end));
  }
  const leftovers = [...(await remainingObjects(service)), ...(await remainingKeys(service))];
  // Processes that are killed leave files that the next ones remove.
  await service.stop();
  await service.start();
  const [recipe] = recipes();
  if (recipe) await undisturbed(clients, [recipe], end);
  leftovers.push(...(await remainingObjects(service)));
  await service.stop();
  return [...leftovers, ...remainingWork(service)];
}

function printTable(rows: readonly (readonly [string, string | number])[]): void {
  const width = Math.max(...rows.map(([name]) => name.length));
  console.log(`| ${'what'.padEnd(width)} |  count |\n| ${'-'.repeat(width)} | -----: |`);
  for (const [name, count] of rows) {
    console.log(`| ${name.padEnd(width)} | ${String(count).padStart(6)} |`);
  }
}

async function main(): Promise<number> {
  const options = readOptions();
  console.log(`chaos: seed ${String(options.seed)}, ${String(options.minutes)} minutes`);
  const root = mkdtempSync(path.join(tmpdir(), 'oxboard-chaos-'));
  const library = buildLibrary(root);
  if (!library) {
    options.faults = options.faults.filter(({ breaksStorage }) => !breaksStorage);
    console.log('The storage cannot be broken on this platform: without those faults');
  }
  const service = await Service.create(root, library);
  process.once('exit', () => service.kill());
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => process.exit(1));

  const all = recipes();
  const random = randomNumbers(options.seed);
  const history = emptyHistory();
  const aside = emptyHistory();
  const quiet = new Clients(() => service.url, aside, random);
  await service.start();
  const expected = await undisturbed(quiet, all, AbortSignal.timeout(SETTLE_TIMEOUT_MS));
  service.logs.length = service.logs.findLastIndex(({ event }) => event === 'service_ready') + 1;

  const enough = new AbortController();
  const end = new AbortController();
  const working = Array.from({ length: CLIENTS }, (_, at) => {
    const own = randomNumbers(options.seed + at + 1);
    return new Clients(() => service.url, history, own).work(all, enough.signal, end.signal);
  });
  const worked = Promise.allSettled(working);
  const counts = await breakThings(service, history, options, random);
  enough.abort();
  const timer = setTimeout(() => end.abort(), SETTLE_TIMEOUT_MS);
  for (const result of await worked) {
    if (result.status === 'rejected') {
      history.wrongAnswers.push(`A client gave up: ${String(result.reason)}`);
    }
  }

  const orphans = await tidy(service);
  const outcomes = new Map<string, Outcome>();
  for (const { id } of history.jobs) {
    const outcome = await outcomeOf(quiet, id, end.signal).catch(() => undefined);
    if (outcome) outcomes.set(id, outcome);
  }
  const listed = await quiet.list(end.signal);
  const logs = jobLogs(service);
  const refused = service.logs.filter(({ event }) => event === 'job_lost').length;
  const leftovers = await findLeftovers(service, quiet, end.signal);
  clearTimeout(timer);

  const verdict = check({ history, outcomes, listed, logs, expected, leftovers });
  printTable([
    ...FAULTS.filter(({ name }) => counts.has(name)).map(
      ({ name, text }) => [`${text} (${name})`, counts.get(name) ?? 0] as const,
    ),
    ['jobs accepted', history.jobs.length],
    ['  completed, with the bytes of the undisturbed run', verdict.counts.completed],
    ['  cancelled by their client', verdict.counts.cancelled],
    ['  removed by their client', verdict.counts.removed],
    ['  given up after their workers were killed', verdict.counts.given_up],
    ['  in a second that Redis lost', verdict.counts.forgotten],
    ['attempts of workers that lost their job (late writes refused)', refused],
    ['orphans that the janitor removed', orphans],
    ['faults found', verdict.faults.length],
  ]);
  for (const fault of verdict.faults) console.log(fault);
  if (verdict.faults.length === 0) {
    rmSync(root, { recursive: true, force: true });
    return 0;
  }
  const evidence = { options, history, outcomes: [...outcomes], listed, logs: service.logs };
  writeFileSync(path.join(root, 'evidence.json'), JSON.stringify(evidence, undefined, 1));
  console.log(`The logs and the evidence are in ${root}`);
  return 1;
}

process.exitCode = await main();
