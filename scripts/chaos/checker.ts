/** Compares what clients were told with what ended. Pure: no file, no process, no request. */
import { isFinal, type History, type KnownJob, type Loss } from './history.js';

/** What is left of a job in the end. */
export interface Outcome {
  status: string;
  errorCode: string | undefined;
  /** SHA-256 of the bytes of each stem as they were downloaded, and as the job says. */
  downloaded: Record<string, string>;
  told: Record<string, string>;
}

/** What the log says of a job. */
export interface JobLog {
  started: number;
  completed: number;
}

export interface Evidence {
  history: History;
  /** By id; undefined: there is no such job. */
  outcomes: ReadonlyMap<string, Outcome>;
  /** Ids that the service lists in the end. */
  listed: readonly string[];
  /** By id of the job. */
  logs: ReadonlyMap<string, JobLog>;
  /** SHA-256 of each stem of an undisturbed run, by recipe. */
  expected: ReadonlyMap<string, Record<string, string>>;
  /** Paths, keys in Redis and processes that are left when all jobs are removed. */
  leftovers: readonly string[];
}

export interface Verdict {
  /** Sentences; empty: every promise was kept. */
  faults: string[];
  /** How many jobs ended how. */
  counts: Record<'completed' | 'cancelled' | 'removed' | 'given_up' | 'forgotten', number>;
}

/** Attempts after which a job that always kills its worker is given up. */
const FEWEST_ATTEMPTS = 3;
/** Between an action and the time at which a client notes it. */
const SLACK_MS = 2_000;

export function check(evidence: Evidence): Verdict {
  const { history, outcomes, listed, leftovers } = evidence;
  const faults = [...history.wrongAnswers, ...leftovers.map((what) => `${what} was left behind`)];
  const counts = { completed: 0, cancelled: 0, removed: 0, given_up: 0, forgotten: 0 };

  for (const job of history.jobs) {
    const outcome = outcomes.get(job.id);
    const say = (text: string) => faults.push(`Job ${job.id} (${job.recipe}) ${text}`);
    const lost = (at: number | undefined) => wasLost(history.losses, at);
    checkReplays(job, lost, say);
    if (!lost(lastWord(job))) checkWords(job, outcome, say);

    const isDeleted = job.deleteSentAt !== undefined;
    if (outcome === undefined) {
      if (isDeleted) counts.removed++;
      else if (lost(job.admittedAt)) counts.forgotten++;
      else say('is lost: it was accepted, and is not there');
    } else if (isDeleted) {
      if (outcome.status === 'cancelled') counts.cancelled++;
      // The removal was in a second that Redis lost: the job is there again, in whatever state.
      else if (lost(job.deletedAt) || lost(job.deleteSentAt)) counts.forgotten++;
      else say(`was deleted, but is ${outcome.status}`);
    } else if (outcome.status === 'completed') {
      counts.completed++;
      checkBytes(job, outcome, evidence, say);
    } else if (isGivenUp(outcome, evidence.logs.get(job.id))) {
      counts.given_up++;
    } else {
      say(`ended as ${outcome.status} ${outcome.errorCode ?? ''}`);
    }
    const { completed = 0 } = evidence.logs.get(job.id) ?? {};
    const repeats = history.losses.filter(({ to }) => to >= job.admittedAt).length;
    if (completed > 1 + repeats) say(`was completed ${String(completed)} times`);
  }

  const known = new Set(
    history.jobs.flatMap(({ id, replays }) => [id, ...replays.map((r) => r.id)]),
  );
  for (const id of listed) if (!known.has(id)) faults.push(`Nobody was told of job ${id}`);
  return { faults, counts };
}

/** A job may be given up when its worker was killed under it again and again. */
const isGivenUp = ({ status, errorCode }: Outcome, log: JobLog | undefined): boolean =>
  status === 'failed' &&
  errorCode === 'ATTEMPTS_EXHAUSTED' &&
  (log?.started ?? 0) >= FEWEST_ATTEMPTS;

const wasLost = (losses: readonly Loss[], at: number | undefined): boolean =>
  at !== undefined && losses.some(({ from, to }) => at >= from - SLACK_MS && at <= to + SLACK_MS);

/** When the client was told the end, if it was. */
const lastWord = ({ events, states }: KnownJob): number | undefined =>
  [...events, ...states].find(({ status }) => isFinal(status))?.at;

function checkReplays(
  { id, admittedAt, replays }: KnownJob,
  lost: (at: number) => boolean,
  say: (text: string) => void,
): void {
  for (const replay of replays) {
    if (replay.id !== id && !lost(admittedAt)) say(`got another id by its key: ${replay.id}`);
  }
}

/** A job has one end, and no client was told another. */
function checkWords(
  { events, states, deleteSentAt }: KnownJob,
  outcome: Outcome | undefined,
  say: (text: string) => void,
): void {
  const ends = new Set([...events, ...states].map(({ status }) => status).filter(isFinal));
  if (ends.size > 1) say(`was said to be ${[...ends].join(' and ')}`);
  const firstEnd = events.findIndex(({ status }) => isFinal(status));
  if (firstEnd >= 0 && firstEnd < events.length - 1) say('had events after its end');
  const [end] = ends;
  if (ends.size === 1 && outcome && outcome.status !== end && deleteSentAt === undefined) {
    say(`was said to be ${String(end)}, but is ${outcome.status}`);
  }
}

function checkBytes(
  { recipe }: KnownJob,
  { downloaded, told }: Outcome,
  { expected }: Evidence,
  say: (text: string) => void,
): void {
  const wanted = expected.get(recipe) ?? {};
  const names = new Set([...Object.keys(wanted), ...Object.keys(told)]);
  for (const name of names) {
    if (told[name] !== wanted[name]) say(`has other bytes than the undisturbed run: ${name}`);
    else if (downloaded[name] !== told[name]) {
      say(`has a stem that cannot be had as it says: ${name} (${String(downloaded[name])})`);
    }
  }
}
