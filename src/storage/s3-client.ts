/**
 * Clients of the AWS SDK, bounded in time and in connections.
 */
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import type { S3Place } from './place.js';

const ATTEMPTS = 4;

export interface S3Patience {
  /** Milliseconds until there is a connection. */
  connectMs: number;
  /** Milliseconds without a byte in either direction. */
  idleMs: number;
}

export const PATIENCE: S3Patience = { connectMs: 3_000, idleMs: 20_000 };

/** Its credentials are those that the SDK finds in the environment. */
export function createS3Client(place: S3Place, patience: S3Patience, maxSockets: number): S3Client {
  const client = new S3Client(s3ClientSettings(place, patience, maxSockets));
  limitRequests(client, maxSockets);
  return client;
}

/** What a client is made of. */
export function s3ClientSettings(
  { endpoint, region }: S3Place,
  { connectMs, idleMs }: S3Patience,
  maxSockets: number,
): S3ClientConfig {
  // The SDK is pinned, and runs on the Node versions that the package asks for.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  return {
    maxAttempts: ATTEMPTS,
    followRegionRedirects: true,
    requestHandler: {
      connectionTimeout: connectMs,
      socketTimeout: idleMs,
      httpAgent: { maxSockets },
      httpsAgent: { maxSockets },
      // Lines of its own would be none of our log.
      logger: SILENT,
    },
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && {
      endpoint,
      region: region ?? 'us-east-1',
      forcePathStyle: true,
      // What is new with Amazon is not understood everywhere.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    }),
  };
}

/**
 * Lets a request wait for a free connection before it starts. The SDK counts such a wait as time to
 * connect: without this limit, a burst of requests fails although the store answers.
 */
function limitRequests(client: S3Client, atOnce: number): void {
  const limit = pLimit(atOnce);
  const middleware =
    <Args, Output>(next: (args: Args) => Promise<Output>) =>
    (args: Args) =>
      limit(() => next(args));
  client.middlewareStack.addRelativeTo(middleware, {
    name: 'limitRequests',
    relation: 'after',
    toMiddleware: 'retryMiddleware',
  });
}

const ignore = (): void => undefined;
const SILENT = { trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore };
