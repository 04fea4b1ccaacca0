/**
 * A worker: separates the songs of jobs, as many at a time as it has slots. Their segments take turns
 * on the device.
 */
import path from 'node:path';
import { resolveRuntime } from '../engine/runtime.js';
import type { InstalledModel } from '../models/archive.js';
import type { Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import type { Tracer } from '../observability/tracing.js';
import type { Storage } from '../storage/storage.js';
import type {
  Claim,
  Claims,
  Dispatcher,
  ModelPull,
  WorkerAnnouncement,
  Workers,
} from '../jobs/ports.js';
import { createAnnouncements } from './announcements.js';
import { Host } from './host.js';
import { currentDefault, installedModels } from './installed.js';
import { RENEWAL_MS } from './lease.js';
import { runJob, type JobContext } from './run-job.js';
import type { SeparationContext } from './separate-job.js';
import { stallLimitMs } from './stall.js';
import { Separators } from './separators.js';
import { Speeds } from './speeds.js';
import { openWorkFolder } from './work-folder.js';

/** Seconds of work that are lost when a worker is killed. */
const CHECKPOINT_SECONDS = 10;
/** While the worker is about to end: work without a checkpoint is done again. */
const LAST_CHECKPOINTS_SECONDS = 1;
const RETRY_DELAYS_MS = [1_000, 5_000, 20_000];
const FEWEST_MODELS_KEPT = 2;

/** What a worker needs of the environment; see ServiceConfig. */
export interface WorkerConfig {
  modelsDir: string | undefined;
  defaultModel: string | undefined;
  /** Whether the default model may still be on its way. */
  autoPull: boolean;
  device: string | undefined;
  threads: number | undefined;
  tf32?: boolean;
  maxDuration: number;
  dataDir: string;
  workerConcurrency: number;
}

export interface WorkerDependencies {
  config: WorkerConfig;
  claims: Claims;
  workers: Workers;
  /** Closed by `stop`. */
  dispatcher: Pick<Dispatcher, 'listen' | 'close'>;
  storage: Storage;
  logger: Logger;
  metrics: Metrics;
  /** Without it nothing is traced. */
  tracer?: Tracer;
  /** What is being pulled at the moment, to be announced. */
  pulling?: () => ModelPull | null;
  /** Seconds of work between checkpoints. */
  checkpointSeconds?: number;
  /** Milliseconds between renewals of a lease. */
  renewalMs?: number;
  /** Milliseconds before each further try at work that failed with a transient error. */
  retryDelaysMs?: readonly number[];
  /** When a job does not go on; see {@link stallLimitMs}. */
  stallLimit?: SeparationContext['stallLimit'];
}

export interface RunningWorker {
  readonly id: string;
  /** `cpu` or `cuda:N`. */
  readonly device: string;
  /** As it was at the start. */
  readonly defaultModel: InstalledModel;
  /**
   * Claims no more jobs and lets those that run come to their end, for so many milliseconds; then they
   * go back to the queue, and continue from their checkpoints elsewhere. Safe to repeat.
   */
  stop(options: { graceMs: number }): Promise<void>;
}

/**
 * Starts a worker. It removes what killed workers left on this machine, and loads the default model
 * in the background, so that the first job need not wait for it.
 *
 * @throws OxboardError NATIVE_MISSING, NATIVE_UNLOADABLE, DEVICE_UNAVAILABLE, OUT_OF_MEMORY;
 * MODEL_NOT_FOUND and its kin when the default model cannot be used.
 */
export async function startWorker({
  config,
  claims,
  workers,
  dispatcher,
  storage,
  logger,
  metrics,
  tracer,
  pulling,
  checkpointSeconds = CHECKPOINT_SECONDS,
  renewalMs = RENEWAL_MS,
  retryDelaysMs = RETRY_DELAYS_MS,
  stallLimit = (segmentSeconds, factor) =>
    stallLimitMs(segmentSeconds, factor, config.workerConcurrency),
}: WorkerDependencies): Promise<RunningWorker> {
  const { modelsDir, dataDir, tf32 = false, workerConcurrency: concurrency } = config;
  const { device, threads, version, signature } = resolveRuntime({
    ...(config.device && { device: config.device }),
    ...(config.threads && { threads: config.threads }),
    ...(tf32 && { tf32 }),
  });
  const defaultModel = await currentDefault(config);
  const folder = await openWorkFolder(path.join(dataDir, 'work'));
  const speeds = new Speeds(dataDir, signature);
  const kept = Math.max(FEWEST_MODELS_KEPT, concurrency);
  const separators = new Separators({ modelsDir, device, threads, tf32, kept, logger, metrics });

  const describe = async (): Promise<WorkerAnnouncement> => {
    const [models, { name }] = await Promise.all([
      installedModels({ modelsDir }, speeds),
      // The others are still there when that of the start is not.
      currentDefault(config).catch(() => defaultModel),
    ]);
    const { id, active } = host;
    const pull = pulling?.() ?? null;
    return { id, models, defaultModel: name, device, concurrency, active, pull, version };
  };
  const announcements = createAnnouncements({ workers, describe, logger, metrics });
  const host = new Host<Claim>({
    dispatcher,
    slots: concurrency,
    claim: (workerId) => claims.claim(workerId, signature),
    run: (claim) => runJob(context, claim),
    onChange: () => void announcements.now(),
    logger,
  });
  const context: JobContext = {
    claims,
    storage,
    separators,
    speeds,
    runtime: signature,
    workDirectory: folder.directory,
    maxDuration: config.maxDuration,
    stallLimit,
    checkpointInterval: () =>
      host.isStopping ? Math.min(LAST_CHECKPOINTS_SECONDS, checkpointSeconds) : checkpointSeconds,
    logger,
    metrics,
    tracer,
    renewalMs,
    retryDelaysMs,
    stopping: host.stopping,
  };

  const { name: model } = defaultModel;
  logger.info('worker_starting', { worker: host.id, device, threads, model });
  separators.warmUp(model).catch((error: unknown) => {
    // Its jobs will fail with the same error; other models may work.
    if (!host.isStopping) logger.error('model_load_failed', { model, error });
  });
  // The queue gives a worker only jobs for models that it has announced.
  await announcements.now();
  host.start();

  const stop = async (graceMs: number) => {
    logger.info('worker_stopping', { worker: host.id, active: host.active });
    await host.stop(graceMs);
    await announcements.stop();
    await separators.dispose();
    await folder.remove();
    logger.info('worker_stopped', { worker: host.id });
  };
  let stopped: Promise<void> | undefined;
  return {
    id: host.id,
    device,
    defaultModel,
    stop: ({ graceMs }) => (stopped ??= stop(graceMs)),
  };
}
