/**
 * Whether Redis may delete data of ours to make room for other data.
 */
import type { RedisConnection } from './connection.js';

/** What to do about it. */
export const EVICTION_ADVICE =
  'set its maxmemory-policy to noeviction: it may delete jobs otherwise';

/**
 * @returns the eviction policy when it is another one than `noeviction`.
 * @throws OxboardError REDIS_UNAVAILABLE
 */
export async function dangerousEviction({
  send,
}: Pick<RedisConnection, 'send'>): Promise<string | undefined> {
  // A hosted Redis may refuse CONFIG.
  const policy = /^maxmemory_policy:(\S+)/m.exec(String(await send(['INFO', 'memory'])))?.[1];
  return policy === 'noeviction' ? undefined : policy;
}
