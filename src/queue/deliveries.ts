/**
 * The queue as the webhook deliverers see it.
 */
import { randomUUID } from 'node:crypto';
import type { Deliveries } from '../jobs/ports.js';
import { decodeJob } from '../jobs/record.js';
import type { QueueConnection } from './connection.js';

/** Three times as long as a receiver may take. */
const LEASE_MS = 45_000;

/** @param leaseMs after which a delivery that nobody settled is tried again. */
export function createDeliveries(
  { scripts }: QueueConnection,
  { leaseMs = LEASE_MS }: { leaseMs?: number } = {},
): Deliveries {
  return {
    async claim() {
      const token = randomUUID();
      const { waiting, nextMs, record } = await scripts.claimDelivery({ token, leaseMs });
      const job = record && decodeJob(record);
      return {
        waiting,
        nextMs,
        claim: job?.webhook ? { job, token, url: job.webhook.url } : undefined,
      };
    },

    async settle({ job, token }, { delayMs = 0, ...settlement }, forMs) {
      const { state } = await scripts.settleDelivery({
        id: job.id,
        token,
        ...settlement,
        delayMs,
        forMs,
      });
      return state ?? 'void';
    },
  };
}
