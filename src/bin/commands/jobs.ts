/**
 * `oxboard jobs` and `oxboard workers`: what a running service does, for its clients and its operator.
 */
import { Command, Option } from 'commander';
import { OxboardAdmin, OxboardClient, ServiceError } from '../../client/index.js';
import type { AdminJob, JobInList } from '../../client/index.js';
import { OxboardError } from '../../errors.js';
import { JOB_STATUSES } from '../../jobs/job.js';
import { formatAge } from '../../lib/format.js';
import { say } from '../report.js';
import { tableRows } from '../table.js';

interface Flags {
  url: string;
  json?: boolean;
}

type Job = JobInList | AdminJob;

const KEYS_HELP = `
OXBOARD_ADMIN_KEY is the ADMIN_KEY of the service: jobs of all clients.
OXBOARD_API_KEY is one of its API_KEYS: jobs of that key.
`;

export function jobsCommand(): Command {
  const jobs = new Command('jobs')
    .description('list, show, cancel and retry jobs of a running service')
    .addHelpText('after', KEYS_HELP);
  const subcommand = (usage: string, description: string) =>
    withService(jobs.command(usage).description(description));

  subcommand('list', 'list the newest jobs')
    .addOption(new Option('--status <status>', 'only these').choices(JOB_STATUSES))
    .addOption(
      new Option('--limit <n>', 'at most so many, up to 100').default(20).argParser(limitOf),
    )
    .action(async ({ url, json, status, limit }: Flags & ListFlags) => {
      const { jobs: list } = await called(async (adminKey): Promise<{ jobs: Job[] }> =>
        serviceOf(url, adminKey).jobs({ limit, ...(status !== undefined && { status }) }),
      );
      if (json) print(list);
      else printJobs(list);
    });
  subcommand('show <id>', 'print the JSON document of a job').action(
    async (id: string, { url }: Flags) => {
      print(await called(async (adminKey): Promise<unknown> => serviceOf(url, adminKey).job(id)));
    },
  );
  subcommand('cancel <id>', 'cancel a job that has not ended').action(
    async (id: string, { url, json }: Flags) => {
      const job = await called(async (adminKey): Promise<Job> =>
        adminKey === undefined ? cancelOwn(url, id) : adminOf(url, adminKey).cancel(id),
      );
      tell(job, json);
    },
  );
  subcommand('retry <id>', 'try a failed job again (needs OXBOARD_ADMIN_KEY)').action(
    async (id: string, { url, json }: Flags) => {
      tell(await called((adminKey) => adminOf(url, adminKey).retry(id)), json);
    },
  );
  return jobs;
}

export function workersCommand(): Command {
  return withService(
    new Command('workers').description(
      'list the workers of a running service, and what each runs (needs OXBOARD_ADMIN_KEY)',
    ),
  ).action(async ({ url, json }: Flags) => {
    const [queue, list] = await called((adminKey) => {
      const admin = adminOf(url, adminKey);
      return Promise.all([admin.queue(), admin.workers()]);
    });
    if (json) {
      print({ queue, ...list });
      return;
    }
    const rows = list.workers.map(({ id, device, concurrency, version, jobs }) => [
      id,
      device,
      `${String(jobs.length)}/${String(concurrency)}`,
      version,
      jobs.map(({ name, progress }) => `${name} ${progress.toFixed(0)}%`).join(', '),
    ]);
    if (rows.length > 0)
      write(tableRows([['WORKER', 'DEVICE', 'JOBS', 'VERSION', 'RUNS'], ...rows], 4));
    const { pending, processing, paused } = queue;
    const state = paused ? ' The queue is paused.' : '';
    say(
      `Workers: ${String(list.workers.length)}. Jobs running: ${String(processing)}, ` +
        `waiting: ${String(pending)}. Songs being downloaded: ${String(list.downloads.length)}.${state}`,
    );
  });
}

interface ListFlags {
  status?: Job['status'];
  limit: number;
}

const withService = (command: Command): Command =>
  command
    .addOption(new Option('--url <url>', 'where the service is').default('http://127.0.0.1:8000'))
    .option('--json', 'one JSON document on stdout');

function limitOf(text: string): number {
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= 100) return limit;
  throw new OxboardError('INVALID_OPTION', `Expected 1 to 100 for --limit but received "${text}"`);
}

/** Empty is unset, as for every variable. */
const given = (name: string): string | undefined =>
  process.env[name] === '' ? undefined : process.env[name];

/** Calls the service with the operator's key, if there is one. @throws OxboardError SERVICE_CALL_FAILED */
async function called<T>(call: (adminKey: string | undefined) => Promise<T>): Promise<T> {
  try {
    return await call(given('OXBOARD_ADMIN_KEY'));
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    throw new OxboardError(
      'SERVICE_CALL_FAILED',
      `${error.message} (${error.code})${hintOf(error)}`,
    );
  }
}

function hintOf({ code }: ServiceError): string {
  if (code === 'SERVICE_UNREACHABLE')
    return '. Start it with: oxboard serve, or name another --url';
  if (code === 'API_KEY_REQUIRED' || code === 'API_KEY_INVALID')
    return '. Set OXBOARD_API_KEY, or OXBOARD_ADMIN_KEY for the jobs of all clients';
  if (code === 'ADMIN_KEY_INVALID')
    return '. Set OXBOARD_ADMIN_KEY to the ADMIN_KEY of the service';
  if (code === 'PATH_NOT_FOUND') return '. The service has no ADMIN_KEY, or is older';
  return '';
}

const clientOf = (url: string): OxboardClient =>
  new OxboardClient({ baseUrl: checkedUrl(url), apiKey: given('OXBOARD_API_KEY') });

const serviceOf = (url: string, adminKey: string | undefined) =>
  adminKey === undefined ? clientOf(url) : adminOf(url, adminKey);

function adminOf(url: string, adminKey: string | undefined): OxboardAdmin {
  if (adminKey !== undefined) return new OxboardAdmin({ baseUrl: checkedUrl(url), adminKey });
  throw new OxboardError(
    'INVALID_ENVIRONMENT',
    'This needs the ADMIN_KEY of the service, in OXBOARD_ADMIN_KEY',
  );
}

function checkedUrl(url: string): string {
  if (/^https?:\/\//.test(url) && URL.canParse(url)) return url;
  throw new OxboardError(
    'INVALID_OPTION',
    `Expected a URL such as http://127.0.0.1:8000 for --url but received "${url}"`,
  );
}

/** A client's own job. Removing one that has ended would take its stems. */
async function cancelOwn(url: string, id: string): Promise<Job> {
  const client = clientOf(url);
  const { status } = await client.job(id);
  if (status !== 'pending' && status !== 'processing')
    throw new ServiceError('JOB_ENDED', 'The job has ended, and cannot be cancelled');
  await client.remove(id);
  return client.job(id);
}

function printJobs(jobs: readonly Job[]): void {
  if (jobs.length === 0) {
    say('There are no such jobs.');
    return;
  }
  const rows = jobs.map((job) => [
    job.id,
    job.status === 'processing' ? `${job.stage} ${job.progress.toFixed(0)}%` : job.status,
    formatAge(Date.now() - Date.parse(job.createdAt)),
    job.error === null ? job.name : `${job.name}: ${job.error}`,
  ]);
  write(tableRows([['JOB', 'STATUS', 'AGE', 'SONG'], ...rows], 3));
}

function tell(job: Job, json: boolean | undefined): void {
  if (json) print(job);
  else say(`${job.id} (${job.name}): ${job.status}`);
}

const print = (value: unknown): void => write([JSON.stringify(value, null, 2)]);

const write = (lines: readonly string[]): void => {
  process.stdout.write(`${lines.join('\n')}\n`);
};
