/**
 * Files that no record needs any more. Redis lists them until the storage has removed them, so that a
 * process that ends in between forgets none.
 */
import type { Logger } from '../observability/logger.js';
import type { Storage } from '../storage/storage.js';
import type { QueueConnection } from './connection.js';
import { PREFIX } from './keys.js';
import { within } from '../lib/timeout.js';

const KEY = `${PREFIX}trash`;
/**
 * For how long they stay: a Redis that loses its last second (it writes to the disk once a second, and
 * may be late by one) has records again that need them.
 */
export const KEPT_MS = 5_000;
/** For one entry: a storage that hangs delays neither sweeps nor a stop. */
const REMOVE_TIMEOUT_MS = 3_000;
/** What cannot be removed is not in the way of others. */
const RETRY_MS = 10_000;

/** Removes `entries` of the list, up to the first that fails; that one's turn comes again later. */
export async function emptyTrash(
  {
    connection,
    storage,
    logger,
  }: { connection: QueueConnection; storage: Storage; logger: Logger },
  entries: readonly string[],
): Promise<void> {
  for (const entry of entries) {
    try {
      const removed = entry.endsWith('/')
        ? storage.removeAll(entry.slice(0, -1))
        : storage.remove(entry);
      await within(REMOVE_TIMEOUT_MS, removed);
      await connection.send(['ZREM', KEY, entry]);
    } catch (error) {
      logger.warn('files_not_removed', { key: entry, error });
      await connection.send(['ZINCRBY', KEY, String(RETRY_MS), entry]);
      return;
    }
  }
}
