/**
 * DEMUCS_AUTO_PULL: the default model is pulled at the start, while the worker serves with what it
 * has.
 */
import type { ServiceConfig } from '../../config.js';
import { ERROR_CODES, OxboardError } from '../../errors.js';
import { findPublished, requireLicense, type PublishedModel } from '../../pull/catalogue.js';
import { doublingDelays, retry } from '../../lib/retry.js';
import { findModel } from '../../models/library.js';
import type { PullStage } from '../../pull/pull.js';
import type { Logger } from '../../observability/logger.js';
import type { ModelPull } from '../../jobs/ports.js';

/** Pulled when no default model is named: the better one needs the operator's consent. */
const FALLBACK_MODELS = { licensed: 'spleeter-2stems', any: 'htdemucs' };
/** Before the next attempt: the host may be back by then. */
const RETRY_MS = 600_000;

/** Where each stage starts, in percent of the whole. */
const STAGE_STARTS: Record<PullStage, number> = {
  waiting: 0,
  downloading: 0,
  assembling: 80,
  verifying: 95,
};
const STAGE_LENGTHS: Record<PullStage, number> = {
  waiting: 0,
  downloading: 80,
  assembling: 15,
  verifying: 5,
};

export interface AutoPull {
  /** Null when nothing has to be pulled (any more). */
  state: () => ModelPull | null;
  stop: () => Promise<void>;
}

export interface AutoPullOptions {
  config: Pick<
    ServiceConfig,
    | 'autoPull'
    | 'autoPullUnlicensed'
    | 'defaultModel'
    | 'modelsDir'
    | 'hubToken'
    | 'device'
    | 'threads'
  >;
  logger: Logger;
  /** A mirror or a folder instead of the published place. */
  source?: string | undefined;
  retryMs?: number;
}

/**
 * Starts to pull the default model, unless it is installed or auto-pull is off.
 *
 * @throws OxboardError MODEL_UNKNOWN when the configured default is neither installed nor published;
 * LICENSE_NOT_STATED when it may not be pulled without DEMUCS_AUTO_PULL_UNLICENSED.
 */
export async function startAutoPull({
  config,
  logger,
  source,
  retryMs = RETRY_MS,
}: AutoPullOptions): Promise<AutoPull> {
  const {
    autoPull,
    autoPullUnlicensed,
    defaultModel: name = FALLBACK_MODELS[autoPullUnlicensed ? 'any' : 'licensed'],
    modelsDir,
    hubToken,
    device,
    threads,
  } = config;
  if (!autoPull || (await isInstalled(name, modelsDir))) {
    return { state: () => null, stop: () => Promise.resolve() };
  }
  const published = findPublished(name);
  if (!autoPullUnlicensed) refuseUnlicensed(published);
  const ending = new AbortController();
  const { signal } = ending;
  let state: ModelPull | null = { model: name, status: 'pulling', progress: 0, error: null };

  const tryOnce = async () => {
    logger.info('model_pull_started', { model: name, license: published.license });
    // Loaded only where a model is pulled.
    const [{ pullModel }, { pullEngine }] = await Promise.all([
      import('../../pull/pull.js'),
      import('../../pull/engine.js'),
    ]);
    await pullModel(name, {
      ...pullEngine({ device: device ?? 'auto', threads }),
      modelsDir,
      source,
      token: hubToken,
      signal,
      onNotice: (notice) => logger.info('model_pull_notice', { model: name, notice }),
      onProgress: ({ stage, fraction }) => {
        const progress = Math.round(STAGE_STARTS[stage] + STAGE_LENGTHS[stage] * fraction);
        state = { model: name, status: 'pulling', progress, error: null };
      },
    });
    logger.info('model_pulled', { model: name });
  };
  const pulled = retry(tryOnce, {
    delaysMs: doublingDelays(retryMs, retryMs),
    isTransient: () => true,
    onRetry(error) {
      logger.error('model_pull_failed', { model: name, error });
      state = { model: name, status: 'waiting', progress: 0, error: forClients(error) };
    },
    signal,
  });
  const done = pulled.then(
    () => (state = null),
    () => undefined, // it was stopped
  );
  return {
    state: () => state,
    async stop() {
      ending.abort(new OxboardError('ABORTED', 'The service is being stopped'));
      await done;
    },
  };
}

function refuseUnlicensed(model: PublishedModel): void {
  try {
    requireLicense(model);
  } catch (error) {
    if (!(error instanceof OxboardError)) throw error;
    throw new OxboardError(
      error.code,
      `DEMUCS_AUTO_PULL may not pull it: ${error.message}. Set DEMUCS_AUTO_PULL_UNLICENSED=true to use ` +
        'it all the same, or set DEMUCS_DEFAULT_MODEL to another model',
    );
  }
}

async function isInstalled(name: string, modelsDir: string | undefined): Promise<boolean> {
  try {
    await findModel(name, { modelsDir });
    return true;
  } catch (error) {
    // A damaged one is pulled again.
    if (error instanceof OxboardError) return false;
    throw error;
  }
}

/** Without the message, which may name paths of this machine; the log has it. */
function forClients(error: unknown): ModelPull['error'] {
  const code = error instanceof OxboardError ? error.code : 'INTERNAL';
  return { code, message: ERROR_CODES[code].meaning };
}
