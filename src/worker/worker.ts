/**
 * A worker: claims a job at each wake-up and runs it, as many at a time as it has slots. Their segments
 * take turns on the device.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { resolveRuntime, type Runtime } from '../engine/runtime.js';
import type { InstalledModel } from '../models/archive.js';
import type { Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import { NO_TRACER, type Tracer } from '../observability/tracing.js';
import type { Storage } from '../storage/storage.js';
import type { Dispatcher } from '../jobs/ports.js';
import type { Claims, ModelPull, Workers } from '../jobs/ports.js';
import { createAnnouncements, type Announcements } from './announcements.js';
import { currentDefault, installedModels } from './installed.js';
import { Interruption } from './interruption.js';
import type { Patience } from './patience.js';
import { runJob, type JobContext } from './run-job.js';
import { Separators } from './separators.js';
import { Speeds } from './speeds.js';
import { openWorkFolder, type WorkFolder } from './work-folder.js';

/** Seconds of work that are lost when a worker is killed. */
const CHECKPOINT_SECONDS = 10;
/** While the worker is about to end, and whatever is not kept will be done again. */
const LAST_CHECKPOINTS_SECONDS = 1;
const RENEWAL_MS = 5_000;
const PATIENCE: Patience = [1_000, 5_000, 20_000];
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
  /** Milliseconds between renewals of a claim; several fit into a lease. */
  renewalMs?: number;
  /** Milliseconds between tries at work that failed by something that may pass. */
  patience?: Patience;
}

export interface RunningWorker {
  readonly id: string;
  /** `cpu` or `cuda:N`. */
  readonly device: string;
  /** As it was at the start. */
  readonly defaultModel: InstalledModel;
  /**
   * Takes no more jobs and lets those that run come to their end, for so many milliseconds; then they
   * go back to the queue, to be gone on with from their checkpoints. Safe to repeat.
   */
  stop(options: { graceMs: number }): Promise<void>;
}

/**
 * Starts a worker. What killed workers left on this machine is removed, and the default model is
 * loaded meanwhile, so that the first job finds it there.
 *
 * @throws OxboardError NATIVE_MISSING, NATIVE_UNLOADABLE, DEVICE_UNAVAILABLE, OUT_OF_MEMORY;
 * MODEL_NOT_FOUND and its kin when the default model cannot be used.
 */
export async function startWorker(dependencies: WorkerDependencies): Promise<RunningWorker> {
  const { config, logger } = dependencies;
  const { device, threads, tf32 } = config;
  const runtime = resolveRuntime({
    ...(device && { device }),
    ...(threads && { threads }),
    ...(tf32 && { tf32 }),
  });
  const chosen = await currentDefault(config);
  const folder = await openWorkFolder(path.join(config.dataDir, 'work'));
  const speeds = await Speeds.open(config.dataDir, runtime.signature);
  const worker = new Worker(dependencies, runtime, chosen, folder, speeds);
  logger.info('worker_starting', {
    worker: worker.id,
    device: runtime.device,
    threads: runtime.threads,
    model: chosen.name,
  });
  await worker.start();
  return worker;
}

class Worker implements RunningWorker {
  readonly id = `${hostname()}-${String(process.pid)}-${randomUUID().slice(0, 8)}`;
  readonly device: string;
  readonly #dependencies: WorkerDependencies;
  readonly #runtime: Runtime;
  readonly #folder: WorkFolder;
  readonly #speeds: Speeds;
  readonly #separators: Separators;
  readonly #announcements: Announcements;
  readonly #end = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #active = 0;
  #stopped: Promise<void> | undefined;

  constructor(
    dependencies: WorkerDependencies,
    runtime: Runtime,
    readonly defaultModel: InstalledModel,
    folder: WorkFolder,
    speeds: Speeds,
  ) {
    this.#dependencies = dependencies;
    this.#runtime = runtime;
    this.device = runtime.device;
    this.#folder = folder;
    this.#speeds = speeds;
    const { config, logger, metrics, workers } = dependencies;
    this.#separators = new Separators({
      modelsDir: config.modelsDir,
      device: runtime.device,
      threads: runtime.threads,
      tf32: config.tf32 ?? false,
      kept: Math.max(FEWEST_MODELS_KEPT, config.workerConcurrency),
      logger,
      metrics,
    });
    const describe = () => this.#describe();
    this.#announcements = createAnnouncements({ workers, describe, logger, metrics });
  }

  async start(): Promise<void> {
    const { config, dispatcher, logger } = this.#dependencies;
    const { name: model } = this.defaultModel;
    // A job that fails by it will say so; other models may be sound.
    this.#separators.warmUp(model).catch((error: unknown) => {
      if (!this.#stopped) logger.error('model_load_failed', { model, error });
    });
    // The queue gives a worker only jobs for models that it has announced.
    await this.#announcements.now();
    dispatcher.listen(config.workerConcurrency, () => this.#onWakeUp());
  }

  stop({ graceMs }: { graceMs: number }): Promise<void> {
    this.#stopped ??= this.#stop(graceMs);
    return this.#stopped;
  }

  async #stop(graceMs: number): Promise<void> {
    const { dispatcher, logger } = this.#dependencies;
    logger.info('worker_stopping', { worker: this.id, active: this.#active });
    const closed = dispatcher.close();
    const grace = new AbortController();
    await Promise.race([
      this.#idle(),
      setTimeout(graceMs, undefined, { signal: grace.signal }).catch(() => undefined),
    ]);
    grace.abort();
    this.#end.abort(new Interruption('stopping'));
    await this.#idle();
    await closed;
    await this.#announcements.stop();
    await this.#separators.dispose();
    await this.#folder.remove();
    logger.info('worker_stopped', { worker: this.id });
  }

  async #idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #onWakeUp(): Promise<void> {
    const work = this.#work().catch((error: unknown) => {
      // Only the wake-up is lost: the sweeper sends another for the job.
      this.#dependencies.logger.warn('claim_failed', { error });
    });
    this.#running.add(work);
    void work.then(() => this.#running.delete(work));
    return work;
  }

  async #work(): Promise<void> {
    if (this.#stopped) return;
    const { claims } = this.#dependencies;
    const claim = await claims.claim(this.id, this.#runtime.signature);
    if (!claim) return;
    this.#active++;
    void this.#announcements.now();
    try {
      await runJob(this.#jobContext(), claim);
    } finally {
      this.#active--;
      void this.#announcements.now();
    }
  }

  #jobContext(): JobContext {
    const {
      config,
      claims,
      storage,
      logger,
      metrics,
      tracer = NO_TRACER,
      checkpointSeconds = CHECKPOINT_SECONDS,
      renewalMs = RENEWAL_MS,
      patience = PATIENCE,
    } = this.#dependencies;
    return {
      claims,
      storage,
      separators: this.#separators,
      speeds: this.#speeds,
      runtime: this.#runtime.signature,
      workDirectory: this.#folder.directory,
      maxDuration: config.maxDuration,
      checkpointInterval: () =>
        this.#stopped ? Math.min(LAST_CHECKPOINTS_SECONDS, checkpointSeconds) : checkpointSeconds,
      logger,
      metrics,
      tracer,
      renewalMs,
      patience,
      stopping: this.#end.signal,
    };
  }

  async #describe() {
    const { config } = this.#dependencies;
    const { modelsDir } = config;
    const { device, version } = this.#runtime;
    const [models, chosen] = await Promise.all([
      installedModels({ modelsDir }, this.#speeds),
      // The others are still there when that of the start is not.
      currentDefault(config).catch(() => this.defaultModel),
    ]);
    return {
      id: this.id,
      models,
      defaultModel: chosen.name,
      device,
      concurrency: config.workerConcurrency,
      active: this.#active,
      pull: this.#dependencies.pulling?.() ?? null,
      version,
    };
  }
}
