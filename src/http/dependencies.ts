/**
 * What the API is made of; src/bin composes it.
 */
import type { ServiceConfig } from '../config.js';
import type { Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import type { Tracer } from '../observability/tracing.js';
import type { Jobs, Workers } from '../jobs/ports.js';
import type { Storage } from '../storage/storage.js';
import type { RedisCommand } from './rate-limit.js';
import type { UploadPace } from './pace.js';
import type { Tenants } from './tenant.js';

export type ApiConfig = Pick<
  ServiceConfig,
  | 'dataDir'
  | 'maxFileSize'
  | 'maxDuration'
  | 'youtubeHosts'
  | 'youtubeMaxDuration'
  | 'rateLimit'
  | 'rateLimitPeriod'
  | 'corsOrigins'
  | 'trustProxy'
  | 'storageDownloads'
  | 'webhookSecret'
  | 'webhookAllowPrivate'
>;

export interface ApiDependencies {
  config: ApiConfig;
  jobs: Jobs;
  workers: Workers;
  storage: Storage;
  tenants: Tenants;
  /** Sends a command to the Redis that counts for the rate limit. */
  redisCommand: RedisCommand;
  logger: Logger;
  metrics: Metrics;
  /** Without it nothing is traced. */
  tracer?: Tracer;
  /** Of the package. */
  version: string;
  /** How slow an upload may be; {@link uploadPace} unless a test wants it otherwise. */
  pace?: UploadPace;
  /** Milliseconds between signs of life on streams of events. */
  heartbeatMs?: number;
}
