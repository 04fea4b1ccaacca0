/**
 * Who may use /admin: those who have ADMIN_KEY. Wrong keys are logged and counted in Redis, so that
 * nobody can try many of them.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Request } from 'express';
import { OxboardError } from '../errors.js';
import type { PostCounts } from '../jobs/ports.js';
import type { Logger } from '../observability/logger.js';

/** Wrong keys of one client. */
const LIMIT = { failures: 20, periodMs: 900_000 };

/**
 * @param client whose failures are counted.
 * @throws OxboardError ADMIN_KEY_INVALID, RATE_LIMITED
 */
export type AdminCheck = (request: Request, client: string) => Promise<void>;

export function createAdminCheck({
  adminKey,
  counts,
  logger,
}: {
  adminKey: string;
  counts: PostCounts;
  logger: Logger;
}): AdminCheck {
  const expected = digest(adminKey);

  return async ({ headers: { authorization }, ip }, client) => {
    const key = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    if (key === undefined) throw invalid();
    const right = timingSafeEqual(digest(key), expected);
    // Also for a right key: else it could still be found beyond the limit.
    const blockedMs = await counts.countTry(`admin:${client}`, !right, LIMIT);
    if (blockedMs !== undefined) {
      logger.warn('admin_blocked', { client: ip });
      throw new OxboardError(
        'RATE_LIMITED',
        `Too many wrong admin keys. Try again in ${String(Math.ceil(blockedMs / 1000))} s`,
      );
    }
    if (right) return;
    logger.warn('admin_refused', { client: ip });
    throw invalid();
  };
}

const invalid = (): OxboardError =>
  new OxboardError(
    'ADMIN_KEY_INVALID',
    'This needs the ADMIN_KEY of the service, in the header "Authorization: Bearer <key>"',
  );

/** Of one length, so that the time of a comparison reveals nothing. */
const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
