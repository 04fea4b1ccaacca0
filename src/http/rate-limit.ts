/**
 * How many jobs one client may post. All API processes count together, in Redis.
 */
import { createHash } from 'node:crypto';
import type { RequestHandler } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';
import { RedisStore, type RedisReply } from 'rate-limit-redis';
import { OxboardError } from '../errors.js';
import { contextOf } from './request-context.js';

export type RedisCommand = (args: string[]) => Promise<unknown>;

/** @returns middleware that counts a request, and fails with RATE_LIMITED. */
export function postLimit({
  limit,
  periodSeconds,
  byKey,
  redisCommand,
}: {
  limit: number;
  periodSeconds: number;
  /** True if a client is an API key, wherever it posts from; else it is an address. */
  byKey: boolean;
  redisCommand: RedisCommand;
}): RequestHandler {
  return rateLimit({
    windowMs: periodSeconds * 1000,
    limit,
    standardHeaders: 'draft-6',
    legacyHeaders: false,
    keyGenerator: (request) =>
      byKey
        ? `key:${contextOf(request).tenant}`
        : // An IPv6 client has a whole network of addresses.
          ipKeyGenerator(request.ip ?? ''),
    store: new RedisStore({ prefix: 'oxboard:rate:', sendCommand: storeCommand(redisCommand) }),
    // Its warnings about proxies go to the console, and TRUST_PROXY is the operator's decision.
    validate: false,
    handler: (_request, _response, next) => {
      next(
        new OxboardError(
          'RATE_LIMITED',
          `This service takes ${String(limit)} jobs in ${String(periodSeconds)} s ` +
            `from one ${byKey ? 'API key' : 'client'}`,
        ),
      );
    },
  });
}

/**
 * The store loads its scripts when it is made, and again when Redis answers NOSCRIPT. But it would keep
 * a failed load for ever: it gets the script's hash instead, so that the next use is a NOSCRIPT.
 */
function storeCommand(redisCommand: RedisCommand): (...args: string[]) => Promise<RedisReply> {
  return async (...args) => {
    try {
      return (await redisCommand(args)) as RedisReply;
    } catch (error) {
      const [command, , script = ''] = args;
      if (command === 'SCRIPT') return createHash('sha1').update(script).digest('hex');
      if (error instanceof OxboardError || isNoScript(error)) throw error;
      throw new OxboardError('REDIS_UNAVAILABLE', 'Redis does not answer', { cause: error });
    }
  };
}

const isNoScript = (error: unknown): boolean =>
  error instanceof Error && error.message.startsWith('NOSCRIPT');
