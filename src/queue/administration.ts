/**
 * The queue as the operator sees it.
 */
import { ANY_TENANT, type Administration, type Dispatcher, type Jobs } from '../jobs/ports.js';
import { readableJobs } from '../jobs/record.js';
import type { QueueConnection } from './connection.js';
import { createWorkers } from './workers.js';

export function createAdministration(
  connection: QueueConnection,
  {
    jobs,
    dispatcher,
    downloadDispatcher,
    jobTtl,
  }: {
    jobs: Pick<Jobs, 'get' | 'list' | 'counts'>;
    dispatcher: Pick<Dispatcher, 'wake'>;
    downloadDispatcher?: Pick<Dispatcher, 'wake'>;
    /** Seconds that a record is kept after its job ended. */
    jobTtl: number;
  },
): Administration {
  const { scripts } = connection;
  const workers = createWorkers(connection);

  return {
    async queue() {
      const [counts, { paused, short, long, downloads }] = await Promise.all([
        jobs.counts(),
        scripts.observe({}),
      ]);
      return { paused, ...counts, lanes: { short, long, downloads } };
    },

    async workers() {
      const [live, { records = [] }] = await Promise.all([workers.list(), scripts.running({})]);
      const jobsOf = (id: string) => readableJobs(records.filter(({ worker }) => worker === id));
      const downloading = records.filter(({ lane }) => lane === 'downloads');
      return {
        workers: live.map((worker) => ({ ...worker, jobs: jobsOf(worker.id) })),
        downloads: readableJobs(downloading),
      };
    },

    get: (id) => jobs.get(id, ANY_TENANT),
    list: (query) => jobs.list(ANY_TENANT, query),

    async cancel(id) {
      const { outcome, woken = 0 } = await scripts.cancel({ id, ttlMs: jobTtl * 1000 });
      void dispatcher.wake(woken);
      return outcome;
    },

    async retry(id) {
      const { outcome, lane, woken = 0 } = await scripts.retry({ id });
      void (lane === 'downloads' ? downloadDispatcher : dispatcher)?.wake(woken);
      return outcome;
    },

    // The next sweep wakes the workers again.
    async setPaused(paused) {
      await scripts.pause({ paused });
    },
  };
}
