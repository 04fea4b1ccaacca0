/**
 * What clients have posted, counted in Redis.
 */
import { randomUUID } from 'node:crypto';
import type { PostCounts } from '../jobs/ports.js';
import { TIMING } from '../jobs/timing.js';
import type { QueueConnection } from './connection.js';

/** @param leaseMs after which a reservation runs out when its process has ended. */
export const createPostCounts = (
  { scripts }: QueueConnection,
  { leaseMs }: { leaseMs: number } = TIMING,
): PostCounts => ({
  async reserve(client, limits) {
    const token = randomUUID();
    const reserved = await scripts.reservePost({ client, token, leaseMs, ...limits });
    if (reserved.full !== undefined) return { ...reserved, settle: () => Promise.resolve() };
    const renewal = setInterval(() => {
      // Without Redis nothing else is reserved meanwhile, and the next renewal makes up for it.
      scripts.renewPost({ client, token, leaseMs }).catch(() => undefined);
    }, leaseMs / 3).unref();
    return {
      ...reserved,
      async settle(used) {
        clearInterval(renewal);
        await scripts.settlePost({ client, token, period: reserved.period, ...used });
      },
    };
  },

  async countTry(client, failed, limit) {
    return (await scripts.countTry({ client, failed, ...limit })).blockedMs;
  },
});
