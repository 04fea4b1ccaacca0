/**
 * What the API is made of, and what its routes get.
 */
import type { ServiceConfig } from '../config.js';
import type { Administration, Jobs, PostCounts, ResumableUploads, Workers } from '../jobs/ports.js';
import type { Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import type { Tracer } from '../observability/tracing.js';
import type { ResumableStore } from '../storage/resumable.js';
import type { Storage } from '../storage/storage.js';
import type { AdmissionDependencies } from './admission.js';
import type { FormSettings } from './form.js';
import type { OpenStreams } from './job-listeners.js';
import type { PostLimit } from './rate-limit.js';
import type { ResumableDependencies } from './resumable.js';
import type { Tenants } from './tenants.js';
import type { UploadSettings } from './upload.js';
import type { UploadPace } from './upload-pace.js';

export type ApiConfig = Pick<
  ServiceConfig,
  | 'dataDir'
  | 'maxFileSize'
  | 'maxDuration'
  | 'resumableUploads'
  | 'resumableUploadBytes'
  | 'resumableUploadTtl'
  | 'queueWithoutWorkers'
  | 'youtubeHosts'
  | 'youtubeMaxDuration'
  | 'sourceUrlHosts'
  | 'rateLimit'
  | 'rateLimitPeriod'
  | 'refusalLimit'
  | 'adminKey'
  | 'host'
  | 'allowedHosts'
  | 'corsOrigins'
  | 'trustProxy'
  | 'basePath'
  | 'storageDownloads'
  | 'webhookSecret'
  | 'webhookAllowPrivate'
>;

interface Shared {
  jobs: Jobs;
  administration: Administration;
  workers: Workers;
  storage: Storage;
  tenants: Tenants;
  logger: Logger;
  metrics: Metrics;
  /** Version of the package. */
  version: string;
}

/** What src/bin makes an API of. */
export interface ApiDependencies extends Shared {
  config: ApiConfig;
  postCounts: PostCounts;
  resumable: { uploads: ResumableUploads; store: ResumableStore };
  /** Without it nothing is traced. */
  tracer?: Tracer;
  /** How slow an upload may be; by default {@link uploadPace}. */
  pace?: UploadPace;
  /** Time between signs of life on streams of events. */
  heartbeatMs?: number;
}

/** What the service takes of one client. */
export interface Limits {
  fileBytes: number;
  /** Seconds of a song. */
  durationSeconds: number;
  /** Jobs in `periodSeconds`. */
  jobs: number;
  periodSeconds: number;
}

/** What the handlers of routes get. */
export interface RouteDependencies extends Shared, AdmissionDependencies, ResumableDependencies {
  tracer: Tracer;
  upload: UploadSettings;
  form: FormSettings;
  postLimit: PostLimit;
  /** What one client may send; GET /health tells. */
  limits: Limits;
  /** What goes on for long, and ends when the service stops. */
  streams: OpenStreams;
  heartbeatMs: number;
  /** Whether clients are sent to the storage for a stem, if it can sign URLs. */
  redirects: boolean;
  /** The OpenAPI document. */
  document: object;
  isStopping: () => boolean;
}
