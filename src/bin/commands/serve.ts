/**
 * `oxboard serve`, `oxboard api` and `oxboard worker`.
 */
import { Command } from 'commander';
import { OxboardError } from '../../errors.js';

const SETTINGS = `
Settings are environment variables, also from a file .env in the working
directory; .env.example of the package tells each.`;
const ENVIRONMENT = `${SETTINGS} Without any, it listens
on port 8000 and keeps its data in ./data.
`;
const WORKER_ENVIRONMENT = `${SETTINGS} A worker needs
REDIS_URL, and the STORAGE_URL (or DATA_DIR) of the API; it takes jobs from
there and listens on no port but METRICS_PORT, where that is set.
`;

/** Processes of more than a few dozen only wait for each other. */
const MAX_PROCESSES = 256;

const processes = (text: string): number => {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= MAX_PROCESSES) return count;
  throw new OxboardError(
    'INVALID_OPTION',
    `Expected an integer from 1 to ${MAX_PROCESSES} for --processes but received "${text}"`,
  );
};

export function serveCommand(): Command {
  return new Command('serve')
    .description('run the whole service on this machine: API, worker, and a Redis of its own')
    .option('--processes <n>', 'API processes on the one port', processes, 1)
    .addHelpText(
      'after',
      `${ENVIRONMENT}
Examples:
  $ oxboard serve
  $ PORT=8080 DEMUCS_DEFAULT_MODEL=htdemucs oxboard serve
  $ REDIS_URL=redis://localhost:6379 oxboard serve
      with a Redis that is there
`,
    )
    .action(async (flags: { processes: number }) => {
      const { serve } = await import('../service/serve.js');
      await serve(flags);
    });
}

export function apiCommand(): Command {
  return new Command('api')
    .description('run the HTTP API alone; workers share its REDIS_URL and STORAGE_URL')
    .option('--processes <n>', 'processes on the one port', processes, 1)
    .addHelpText(
      'after',
      `${ENVIRONMENT}
Examples:
  $ REDIS_URL=redis://queue:6379 STORAGE_URL=file:///mnt/shared oxboard api
  $ REDIS_URL=redis://localhost:6379 oxboard api --processes 4
`,
    )
    .action(async (flags: { processes: number }) => {
      const { serveApi } = await import('../service/serve.js');
      await serveApi(flags);
    });
}

export function workerCommand(): Command {
  return new Command('worker')
    .description('run a worker alone, beside an API elsewhere; one for each device')
    .addHelpText(
      'after',
      `${WORKER_ENVIRONMENT}
Examples:
  $ REDIS_URL=redis://queue:6379 STORAGE_URL=file:///mnt/shared oxboard worker
  $ REDIS_URL=redis://queue:6379 STORAGE_URL=s3://bucket/prefix oxboard worker
  $ REDIS_URL=redis://queue:6379 DEMUCS_DEVICE=cuda:1 oxboard worker
`,
    )
    .action(async () => {
      const { work } = await import('../service/serve.js');
      await work();
    });
}
