/**
 * The queue as those see it who tell the ends of jobs.
 */
import { randomUUID } from 'node:crypto';
import type { WebhookStatus } from '../jobs/job.js';
import type { Deliveries } from '../jobs/ports.js';
import { jobOf, type RecordReply } from '../jobs/record.js';
import type { RedisConnection } from '../redis/connection.js';
import { CLAIM_DELIVERY, SETTLE_DELIVERY } from './scripts/webhooks.js';

/** Milliseconds: three times as long as a receiver may take. */
const LEASE = 45_000;

/** @param leaseMs after which a delivery that nobody settled is tried again. */
export function createDeliveries(
  connection: RedisConnection,
  { leaseMs = LEASE }: { leaseMs?: number } = {},
): Deliveries {
  return {
    async claim() {
      const token = randomUUID();
      const [waiting, nextMs, record] = (await connection.run(CLAIM_DELIVERY, [
        token,
        leaseMs,
      ])) as [number, number, RecordReply?];
      const job = record && jobOf(record);
      return {
        waiting,
        nextMs: nextMs < 0 ? undefined : nextMs,
        claim: job?.webhook ? { job, token, url: job.webhook.url } : undefined,
      };
    },

    async settle({ job, token }, { state, status, error, delayMs = 0 }, forMs) {
      const reply = await connection.run(SETTLE_DELIVERY, [
        ...[job.id, token, state, status ?? '', error ?? '', delayMs, forMs],
      ]);
      return (reply as WebhookStatus | null) ?? 'void';
    },
  };
}
