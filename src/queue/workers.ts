/**
 * Who works, and with which models.
 */
import type { WorkerAnnouncement, WorkerModel, Workers } from '../jobs/ports.js';
import type { RedisConnection } from '../redis/connection.js';
import { ANNOUNCE, WITHDRAW, WORKERS } from './scripts/workers.js';

/** Milliseconds: that an announcement holds, and after which nobody remembers the worker. */
const HOLDS = 15_000;
const FORGOTTEN = 86_400_000;
/** Workers that were last heard of within so many milliseconds of each other worked together. */
const TOGETHER = 60_000;

export function createWorkers(
  connection: RedisConnection,
  { holdsMs = HOLDS }: { holdsMs?: number } = {},
): Workers {
  async function read() {
    const [live, known] = (await connection.run(WORKERS, [])) as [
      string[],
      [heardAt: string, announcement: string][],
    ];
    return {
      live: live.map(parse),
      known: known.map(([heardAt, text]) => ({ heardAt: Number(heardAt), ...parse(text) })),
    };
  }

  return {
    async announce(worker) {
      await connection.run(ANNOUNCE, [worker.id, JSON.stringify(worker), holdsMs, FORGOTTEN]);
    },
    async withdraw(id) {
      await connection.run(WITHDRAW, [id]);
    },
    list: async () => (await read()).live,
    async models() {
      const { live, known } = await read();
      const last = known[0]?.heardAt ?? 0;
      const serving = live.length > 0;
      const workers = serving ? live : known.filter(({ heardAt }) => last - heardAt <= TOGETHER);
      const models = new Map<string, WorkerModel & { serving: boolean }>();
      for (const model of workers.flatMap((worker) => worker.models)) {
        // Of several that have it, one that has measured its speed knows more.
        if ((models.get(model.name)?.realtimeFactor ?? null) === null) {
          models.set(model.name, { ...model, serving });
        }
      }
      return { models: [...models.values()], defaultModel: workers[0]?.defaultModel };
    },
  };
}

const parse = (text: string): WorkerAnnouncement => JSON.parse(text) as WorkerAnnouncement;
