/**
 * Songs that come in parts, and their locks, in Redis: any process of the API may get the next part.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { OxboardError } from '../errors.js';
import type { ResumableUploads } from '../jobs/ports.js';
import type { Logger } from '../observability/logger.js';
import type { QueueConnection } from './connection.js';
import { PREFIX } from './keys.js';

const CHANNEL = `${PREFIX}wanted`;

/** After which the lock of a process that has ended runs out. */
const LEASE_MS = 5_000;
/** Between two tries to get a lock that another request has. */
const RETRY_MS = 100;
/** The holder ends within a moment when it is told, and its lease ends when it cannot be told. */
const LONGEST_WAIT_MS = 15_000;
/**
 * For how long a song is kept after a job was made of it: a client that has missed the answer sends the
 * same request again.
 */
const USED_KEPT_MS = 600_000;

export function createResumableUploads(
  connection: QueueConnection,
  { logger, leaseMs = LEASE_MS }: { logger: Logger; leaseMs?: number },
): ResumableUploads {
  const { scripts } = connection;
  /** By the token of the lock. */
  const holders = new Map<string, () => void>();
  let subscribing: Promise<unknown> | undefined;

  /** One channel for all locks of this process. Without it, locks are held until their requests end. */
  function subscribe(): Promise<unknown> {
    subscribing ??= connection
      .subscribe(CHANNEL, (token) => holders.get(token)?.())
      .catch((error: unknown) => {
        subscribing = undefined;
        logger.warn('wanted_locks_not_heard', { error });
      });
    return subscribing;
  }

  async function take(id: string, token: string, signal: AbortSignal): Promise<void> {
    const began = performance.now();
    for (;;) {
      const { held } = await scripts.lockResumable({ id, token, leaseMs, renews: false });
      if (held) return;
      if (performance.now() - began > LONGEST_WAIT_MS) {
        throw new OxboardError('UPLOAD_BUSY', 'Another request for this upload does not end');
      }
      await sleep(RETRY_MS);
      signal.throwIfAborted();
    }
  }

  /** @returns ends the renewal. */
  function renew(id: string, token: string, onLost: () => void): () => void {
    let renewedAt = performance.now();
    const timer = setInterval(() => {
      const asked = performance.now();
      scripts.lockResumable({ id, token, leaseMs, renews: true }).then(
        ({ held }) => {
          if (held) renewedAt = asked;
          else onLost();
        },
        () => {
          if (performance.now() - renewedAt > leaseMs) onLost();
        },
      );
    }, leaseMs / 3).unref();
    return () => clearInterval(timer);
  }

  return {
    async begin(upload, limits) {
      return (await scripts.beginResumable({ ...upload, ...limits })).full;
    },

    async get(id, tenant) {
      const { name, sizeBytes } = await scripts.getResumable({ id, tenant });
      return name === undefined || sizeBytes === undefined ? undefined : { id, name, sizeBytes };
    },

    async used(id) {
      await scripts.useResumable({ id, keptMs: USED_KEPT_MS });
    },

    async remove(id) {
      await scripts.removeResumable({ id });
    },

    async lock(id, { signal, onWanted }) {
      const token = randomUUID();
      await subscribe();
      await take(id, token, signal);
      holders.set(token, onWanted);
      const endRenewal = renew(id, token, onWanted);
      return async () => {
        endRenewal();
        holders.delete(token);
        // Without Redis it runs out by itself.
        await scripts.unlockResumable({ id, token }).catch(() => undefined);
      };
    },
  };
}
