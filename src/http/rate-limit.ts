/**
 * How many jobs one client may post. All API processes count together, in Redis.
 */
import { createHash } from 'node:crypto';
import type { RequestHandler } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';
import { RedisStore, type RedisReply } from 'rate-limit-redis';
import { OxboardError } from '../errors.js';
import { contextOf } from './context.js';

export type RedisCommand = (args: string[]) => Promise<unknown>;

export function postLimit({
  limit,
  periodSeconds,
  byKey,
  redisCommand,
}: {
  limit: number;
  periodSeconds: number;
  /** Whether a client is an API key, wherever it posts from; else it is an address. */
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
    store: new RedisStore({ prefix: 'oxboard:rate:', sendCommand: scripted(redisCommand) }),
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
 * The store loads its scripts once, when it is made; when Redis was down then, or lost them since, it
 * would fail for ever. So scripts are kept here, and Redis gets them with the call that needs them.
 */
function scripted(redisCommand: RedisCommand): (...args: string[]) => Promise<RedisReply> {
  const scripts = new Map<string, string>();
  const send = async (args: string[]) => {
    try {
      return (await redisCommand(args)) as RedisReply;
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('NOSCRIPT')) throw error;
      if (error instanceof OxboardError) throw error;
      throw new OxboardError('REDIS_UNAVAILABLE', 'Redis does not answer', { cause: error });
    }
  };
  return async (...args) => {
    const [command, first = '', ...rest] = args;
    if (command === 'SCRIPT') {
      const script = rest[0] ?? '';
      const sha = createHash('sha1').update(script).digest('hex');
      scripts.set(sha, script);
      return sha;
    }
    if (command !== 'EVALSHA') return send(args);
    try {
      return await send(args);
    } catch (error) {
      const script = scripts.get(first);
      if (script === undefined || error instanceof OxboardError) throw error;
      return send(['EVAL', script, ...rest]);
    }
  };
}
