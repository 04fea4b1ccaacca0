/**
 * How many jobs one client may post, and how many requests for a job may come to nothing.
 *
 * A place for the job is reserved before the body is read, so that many uploads at once cannot pass
 * the limit, and given back before the client has its answer, so that it can correct a mistake at once.
 */
import type { Request, Response } from 'express';
import { httpStatusOf, OxboardError } from '../errors.js';
import type { PostCounts, PostReservation } from '../jobs/ports.js';
import { count } from '../lib/format.js';
import { isLoopback } from '../lib/loopback.js';
import { contextOf } from './request-context.js';

/**
 * Runs `admit` within the limits of the client, and sets the RateLimit headers of the answer.
 *
 * @throws OxboardError RATE_LIMITED; what `admit` throws.
 */
export type PostLimit = <T extends { replayed: boolean }>(
  request: Request,
  response: Response,
  admit: () => Promise<T>,
) => Promise<T>;

export function createPostLimit({
  counts,
  rateLimit,
  refusalLimit,
  periodSeconds,
  keyed,
}: {
  counts: PostCounts;
  /** Jobs in a period. */
  rateLimit: number;
  /** Requests in a period that make no job. */
  refusalLimit: number;
  periodSeconds: number;
  /** True if a client is an API key, wherever it posts from; else it is an address. */
  keyed: boolean;
}): PostLimit {
  const inPeriod = { jobs: rateLimit, refusals: refusalLimit, periodMs: periodSeconds * 1000 };

  function setHeaders(
    response: Response,
    { jobs, endsInMs }: Pick<PostReservation, 'jobs' | 'endsInMs'>,
  ): void {
    response.set({
      'RateLimit-Policy': `${String(rateLimit)};w=${String(periodSeconds)}`,
      'RateLimit-Limit': String(rateLimit),
      'RateLimit-Remaining': String(Math.max(rateLimit - jobs, 0)),
      'RateLimit-Reset': String(secondsOf(endsInMs)),
    });
  }

  function refusal({ full, jobs, endsInMs }: PostReservation): OxboardError {
    const client = keyed ? 'API key' : 'client';
    const wait = secondsOf(endsInMs);
    return new OxboardError(
      'RATE_LIMITED',
      full === 'jobs'
        ? `This service accepts ${count(rateLimit, 'job')} in ${String(periodSeconds)} s from one ` +
            `${client} (API_RATE_LIMIT), and none is left. Try again in ${String(wait)} s`
        : `${count(refusalLimit, 'request')} of this ${client} in ${String(periodSeconds)} s made no job, ` +
            `which is the limit (API_REFUSAL_LIMIT). Jobs left: ${String(rateLimit - jobs)} of ` +
            `${String(rateLimit)}. Try again in ${String(wait)} s`,
    );
  }

  return async (request, response, admit) => {
    if (!keyed && isOnThisMachine(request)) return admit();
    const { client } = contextOf(request);
    const reservation = await counts.reserve(client, inPeriod);
    setHeaders(response, reservation);
    if (reservation.full !== undefined) {
      response.set('Retry-After', String(secondsOf(reservation.endsInMs)));
      throw refusal(reservation);
    }

    async function settle(used: { job: boolean; refusal: boolean }): Promise<void> {
      if (!used.job) {
        setHeaders(response, { ...reservation, jobs: reservation.jobs - 1 });
      }
      // Without Redis it runs out by itself, and the request is not counted.
      await reservation.settle(used).catch(() => undefined);
    }

    let admitted;
    try {
      admitted = await admit();
    } catch (error) {
      await settle({ job: false, refusal: !isOurFault(error) });
      throw error;
    }
    await settle({ job: !admitted.replayed, refusal: admitted.replayed });
    return admitted;
  };
}

const secondsOf = (milliseconds: number): number => Math.max(1, Math.ceil(milliseconds / 1000));

/** A proxy on this machine that is not in TRUST_PROXY speaks for clients from anywhere. */
const isOnThisMachine = ({ ip = '', headers }: Request): boolean =>
  isLoopback(ip) && headers['x-forwarded-for'] === undefined && headers.forwarded === undefined;

/** A client that breaks off its upload has used the service as one that is refused. */
const isOurFault = (error: unknown): boolean =>
  !(error instanceof OxboardError) || (httpStatusOf(error.code) >= 500 && error.code !== 'ABORTED');
