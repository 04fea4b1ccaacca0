/**
 * The instruments: one registry per process. What the processes of one `serve` have counted is added
 * up on one port; see src/bin/service/metrics-server.ts.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Seconds. Jobs, and their stages, last from a moment to half an hour. */
const JOB_BUCKETS = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 180, 300, 600, 900, 1200, 1800,
];
const REQUEST_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const LOAD_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120];
/** Seconds of audio per second of work. */
const FACTOR_BUCKETS = [0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 50, 100];
const BYTE_BUCKETS = [1e5, 5e5, 1e6, 2.5e6, 5e6, 1e7, 2.5e7, 5e7, 1e8, 5e8];

/** Of the process, by prom-client; gauges of it that bear the suffix of counters. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

export type Metrics = ReturnType<typeof createMetrics>;

/**
 * Labels have few values: never the id of a job, a URL as it was asked for, or anything that a client
 * chose.
 *
 * @param labels of the figures about the process itself, such as which process it is.
 */
export function createMetrics(labels: Record<string, string> = {}) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, labels });
  for (const name of MISNAMED) registry.removeSingleMetric(name);

  return {
    registry,

    // Jobs
    jobsTotal: new Counter({
      name: 'demucs_jobs_total',
      help: 'Jobs by the status that they came to: pending when admitted, then completed, failed or cancelled; download_failed: failed, for their song could not be downloaded',
      labelNames: ['status'],
      registers,
    }),
    jobsActive: new Gauge({
      name: 'demucs_jobs_active',
      help: 'Jobs that the workers of this process work on now',
      registers,
    }),
    processingSeconds: new Histogram({
      name: 'demucs_processing_seconds',
      help: 'Time that a completed job was worked on',
      buckets: JOB_BUCKETS,
      registers,
    }),
    stageSeconds: new Histogram({
      name: 'demucs_stage_seconds',
      help: 'Time that a job spent in a stage: loading, decoding, separating, encoding, storing',
      labelNames: ['stage'],
      buckets: JOB_BUCKETS,
      registers,
    }),
    realtimeFactor: new Histogram({
      name: 'demucs_realtime_factor',
      help: 'Seconds of audio per second of work of completed jobs',
      labelNames: ['model'],
      buckets: FACTOR_BUCKETS,
      registers,
    }),
    audioSeconds: new Counter({
      name: 'demucs_audio_seconds_total',
      help: 'Seconds of audio of completed jobs',
      labelNames: ['model'],
      registers,
    }),
    segments: new Counter({
      name: 'demucs_segments_total',
      help: 'Segments that networks were run on',
      labelNames: ['model'],
      registers,
    }),
    gpuMemoryShort: new Counter({
      name: 'demucs_gpu_memory_short_total',
      help: 'Times that a GPU had too little memory, by what came of it: smaller_batch, or cpu where not even one segment fitted',
      labelNames: ['model', 'outcome'],
      registers,
    }),
    modelLoadSeconds: new Histogram({
      name: 'demucs_model_load_seconds',
      help: 'Time that loading a model took',
      labelNames: ['model'],
      buckets: LOAD_BUCKETS,
      registers,
    }),
    attempts: new Counter({
      name: 'demucs_job_attempts_total',
      help: 'Times that a worker took up a job, by what it came to: completed, failed, cancelled, handed_back or lost',
      labelNames: ['outcome'],
      registers,
    }),
    resumes: new Counter({
      name: 'demucs_job_resumes_total',
      help: 'Attempts that went on from checkpoints of an earlier one',
      registers,
    }),
    cache: new Counter({
      name: 'demucs_cache_total',
      help: 'Jobs by whether an equal one had been done before: hit or miss',
      labelNames: ['outcome'],
      registers,
    }),

    // Queue; every process that looks sees the same
    queueDepth: new Gauge({
      name: 'demucs_queue_depth',
      help: 'Jobs that wait for a worker, by lane',
      labelNames: ['lane'],
      aggregator: 'max',
      registers,
    }),
    queueOldestSeconds: new Gauge({
      name: 'demucs_queue_oldest_seconds',
      help: 'How long the first job of a lane has waited',
      labelNames: ['lane'],
      aggregator: 'max',
      registers,
    }),
    queuePaused: new Gauge({
      name: 'demucs_queue_paused',
      help: '1 while the operator has paused the queue: jobs are accepted, and wait',
      aggregator: 'max',
      registers,
    }),
    queueWaitSeconds: new Histogram({
      name: 'demucs_queue_wait_seconds',
      help: 'Time from admission, or from going back to the queue, until a worker took the job up',
      labelNames: ['lane'],
      buckets: JOB_BUCKETS,
      registers,
    }),
    workers: new Gauge({
      name: 'demucs_workers',
      help: 'Workers whose heartbeat is fresh',
      aggregator: 'max',
      registers,
    }),
    workerHeartbeatAge: new Gauge({
      name: 'demucs_worker_heartbeat_age_seconds',
      help: 'Time since this worker last reached Redis with its heartbeat',
      aggregator: 'max',
      registers,
    }),

    // Downloads of songs behind links: what goes wrong with them is not the service's doing
    downloadsWaiting: new Gauge({
      name: 'demucs_downloads_waiting',
      help: 'Jobs that wait for the download of their song',
      aggregator: 'max',
      registers,
    }),
    downloadsActive: new Gauge({
      name: 'demucs_downloads_active',
      help: 'Songs that this process downloads now',
      registers,
    }),
    downloads: new Counter({
      name: 'demucs_downloads_total',
      help: 'Attempts to download a song, by what they came to: completed, cancelled, handed_back, lost, or the code of a failure',
      labelNames: ['outcome'],
      registers,
    }),
    downloadSeconds: new Histogram({
      name: 'demucs_download_seconds',
      help: 'Time that the download of a song took, with its retries',
      buckets: LOAD_BUCKETS,
      registers,
    }),

    // Ends of jobs told to callback URLs
    webhooks: new Counter({
      name: 'demucs_webhooks_total',
      help: 'Tries to tell the end of a job, by what they came to: delivered, retried, failed (given up), void (the job was gone)',
      labelNames: ['outcome'],
      registers,
    }),
    webhooksWaiting: new Gauge({
      name: 'demucs_webhooks_waiting',
      help: 'Jobs whose end is still to be told',
      aggregator: 'max',
      registers,
    }),
    webhookSeconds: new Histogram({
      name: 'demucs_webhook_seconds',
      help: 'Time that a try to tell the end of a job took',
      buckets: REQUEST_BUCKETS,
      registers,
    }),

    // API
    apiRequestsTotal: new Counter({
      name: 'demucs_api_requests_total',
      help: 'Requests by method, route pattern and status',
      labelNames: ['method', 'route', 'status'],
      registers,
    }),
    apiRequestSeconds: new Histogram({
      name: 'demucs_api_request_seconds',
      help: 'Time until a request was answered in full; streams of events are left out',
      labelNames: ['method', 'route'],
      buckets: REQUEST_BUCKETS,
      registers,
    }),
    uploadBytes: new Histogram({
      name: 'demucs_upload_bytes',
      help: 'Size of accepted uploads',
      buckets: BYTE_BUCKETS,
      registers,
    }),
    listeners: new Gauge({
      name: 'demucs_event_listeners',
      help: 'Open streams of events, by transport: sse or ws',
      labelNames: ['transport'],
      registers,
    }),

    // Everywhere
    errorsTotal: new Counter({
      name: 'demucs_errors_total',
      help: 'Failed jobs and refused or failed requests, by code',
      labelNames: ['code'],
      registers,
    }),
    redisUp: new Gauge({
      name: 'demucs_redis_up',
      help: 'Whether every process reaches Redis: 1 or 0',
      aggregator: 'min',
      registers,
    }),
    restarts: new Counter({
      name: 'demucs_process_restarts_total',
      help: 'Processes of this service that ended by themselves and were started again, by role',
      labelNames: ['role'],
      registers,
    }),
  };
}
