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
const BATCH_SIZE = 100;
/** For one entry: a storage that hangs delays neither clients nor sweeps nor a stop. */
const REMOVE_TIMEOUT_MS = 3_000;

/** Removes `entries`, up to the first that fails; what is left stays for {@link emptyTrash}. */
export async function discard(
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
      await connection.send(['SREM', KEY, entry]);
    } catch (error) {
      logger.warn('files_not_removed', { key: entry, error });
      return;
    }
  }
}

/** @throws OxboardError REDIS_UNAVAILABLE */
export async function emptyTrash(dependencies: Parameters<typeof discard>[0]): Promise<void> {
  const entries = await dependencies.connection.send(['SRANDMEMBER', KEY, String(BATCH_SIZE)]);
  await discard(dependencies, entries as string[]);
}
