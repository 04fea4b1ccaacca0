/**
 * The workers there are, and their models.
 */
import type { WorkerAnnouncement, WorkerModel, Workers } from '../jobs/ports.js';
import type { QueueConnection } from './connection.js';

/** How long an announcement holds, and how long the worker is remembered. */
const HOLDS_MS = 15_000;
const FORGOTTEN_MS = 86_400_000;
/** Workers that were last heard of within this time of each other worked together. */
const TOGETHER_MS = 60_000;

export function createWorkers(
  { scripts }: QueueConnection,
  { holdsMs = HOLDS_MS }: { holdsMs?: number } = {},
): Workers {
  async function read() {
    const { live = [], known = [] } = await scripts.workers({});
    return {
      live: live.map(parse),
      known: known.map(({ heardAt, announcement }) => ({ heardAt, ...parse(announcement) })),
    };
  }

  return {
    async announce(worker) {
      await scripts.announce({
        id: worker.id,
        announcement: JSON.stringify(worker),
        holdsMs,
        forgottenMs: FORGOTTEN_MS,
      });
    },
    async withdraw(id) {
      await scripts.withdraw({ id });
    },
    list: async () => (await read()).live,
    async models() {
      const { live, known } = await read();
      const last = known[0]?.heardAt ?? 0;
      const serving = live.length > 0;
      const workers = serving ? live : known.filter(({ heardAt }) => last - heardAt <= TOGETHER_MS);
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
