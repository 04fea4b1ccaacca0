/**
 * One call of the service's API.
 */
import type { JobDocument } from '../http/job-document.js';
import { camelCase, snakeName, type CamelCase } from './camel-case.js';
import { checked, ServiceError, unreachable } from './service-error.js';

export interface CallOptions {
  /** Ends the call, which then rejects with `signal.reason`. */
  signal?: AbortSignal | undefined;
}

export interface Request extends CallOptions {
  method?: string;
  headers?: Record<string, string>;
}

/** Which jobs a list has. */
export interface JobQuery {
  status?: JobDocument['status'];
  clientReference?: string;
  limit?: number;
  cursor?: string;
}

/** The path of one page of a list. */
export const jobsPath = (query: JobQuery): string =>
  `jobs?${new URLSearchParams(
    Object.entries(query).map(([name, value]): [string, string] => [
      snakeName(name),
      String(value),
    ]),
  ).toString()}`;

/** Documents call it job_id. */
export type WithId<T extends { jobId: string }> = Omit<T, 'jobId'> & { id: string };

export const withId = <T extends { jobId: string }>({ jobId, ...rest }: T): WithId<T> => ({
  ...rest,
  id: jobId,
});

/** Longest time for an answer. */
const ANSWER_MS = 60_000;

/** Where the API is. @throws TypeError for a `baseUrl` that is no URL. */
export function apiUrl(baseUrl: string): URL {
  const { location } = globalThis as { location?: { href: string } };
  const base = new URL(baseUrl, location?.href);
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  return new URL('api/v1/', base);
}

export const bearer = (key: string | undefined): Record<string, string> =>
  key === undefined ? {} : { Authorization: `Bearer ${key}` };

/** @throws ServiceError; `signal.reason` when aborted before the headers came. */
export async function send(
  url: URL,
  { method = 'GET', headers = {}, signal }: Request,
): Promise<Response> {
  const response = await fetch(url, { method, headers, ...(signal && { signal }) }).catch(
    (error: unknown) => {
      throw unreachable(error, url, signal);
    },
  );
  return checked(response);
}

/** Asks and takes the whole answer. @throws ServiceError; `signal.reason` when aborted. */
export async function ask<T>(
  url: URL,
  { signal, ...request }: Request,
  take: (response: Response) => Promise<T>,
): Promise<T> {
  const signals = [AbortSignal.timeout(ANSWER_MS), ...(signal ? [signal] : [])];
  try {
    return await take(await send(url, { ...request, signal: AbortSignal.any(signals) }));
  } catch (error) {
    if (error instanceof ServiceError) throw error;
    throw unreachable(error, url, signal);
  }
}

/** @throws ServiceError ANSWER_INVALID */
export async function read<T>(response: Response): Promise<CamelCase<T>> {
  const document = (await response.json().catch((cause: unknown) => {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new ServiceError('ANSWER_INVALID', 'The answer is not JSON', { cause });
  })) as T;
  return camelCase(document);
}
