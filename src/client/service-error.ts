/**
 * What a call of the client fails with.
 */

/**
 * - a code of the service's own (docs/errors.md), from the answer or from a job that failed,
 * - `JOB_CANCELLED`: the job was cancelled while the client waited for it,
 * - `SERVICE_UNREACHABLE`: there was no answer,
 * - `ANSWER_INVALID`: the answer is not one of this service.
 */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  readonly code: string;
  /** HTTP status; undefined when no answer caused the error. */
  readonly status: number | undefined;
  /** Seconds after which the service suggests another try. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: string,
    message: string,
    {
      status,
      retryAfterSeconds,
      cause,
    }: { status?: number; retryAfterSeconds?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.code = code;
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Whether the same call may succeed later. */
export const isTransient = (error: unknown): boolean =>
  error instanceof ServiceError &&
  (error.code === 'SERVICE_UNREACHABLE' ||
    [408, 423, 429, 502, 503, 504].includes(error.status ?? 0));

/** @returns the response; @throws ServiceError when it is an error. */
export async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  const { status } = response;
  const retryAfter = Number(response.headers.get('Retry-After') ?? Number.NaN);
  const details = {
    status,
    retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : undefined,
  };
  const problem: unknown = await response.json().catch(() => undefined);
  const { code, detail } = (problem ?? {}) as { code?: unknown; detail?: unknown };
  if (typeof code === 'string' && typeof detail === 'string') {
    throw new ServiceError(code, detail, details);
  }
  throw new ServiceError('ANSWER_INVALID', `The answer has status ${String(status)}`, details);
}

/** Turns a failed request into a ServiceError; an abort keeps its reason. */
export function unreachable(cause: unknown, url: URL, signal: AbortSignal | undefined): Error {
  if (signal?.aborted) return signal.reason as Error;
  return new ServiceError('SERVICE_UNREACHABLE', `${url.origin} does not answer`, { cause });
}
