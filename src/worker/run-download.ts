/**
 * One attempt to download the song of a job: from a claim to its end, whatever happens.
 */
import { OxboardError } from '../errors.js';
import { withLogContext, type Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import { NO_TRACER, type Tracer } from '../observability/tracing.js';
import type { Storage } from '../storage/storage.js';
import { costSeconds } from '../jobs/cost.js';
import type { DownloadClaim, Downloads } from '../jobs/ports.js';
import { within } from '../lib/timeout.js';
import { AttemptTrace } from './attempt-trace.js';
import { keepClaim, type ClaimKeeper } from './claim-keeper.js';
import { describeFailure, isOutage, mayPass } from './failures.js';
import { Interruption } from './interruption.js';
import { lengthLimit } from './length-limit.js';
import { untilAnswered, withRetries, type Patience } from './patience.js';
import { DOWNLOADED, reportProgress } from './progress.js';
import { downloadSong, type SongFetcher } from './download-song.js';

export interface DownloadContext {
  downloads: Downloads;
  storage: Storage;
  fetchSong: SongFetcher;
  /** Where this process keeps what is not whole; each attempt has a folder in it. */
  directory: string;
  /** Seconds of audio. */
  maxDuration: number;
  logger: Logger;
  metrics: Metrics;
  /** Without it nothing is traced. */
  tracer?: Tracer;
  /** Milliseconds between renewals of the claim. */
  renewalMs: number;
  /** Between tries that failed by something that may pass. */
  patience: Patience;
  /** Aborted by an Interruption when the downloader has to end now. */
  stopping: AbortSignal;
}

/** Milliseconds. */
const REMOVAL_MS = 3_000;

/** As the metric of downloads names it: the code of a failure is one, too. */
type Outcome = string;

/** Never rejects: what becomes of the job is told to the queue, the log and the metrics. */
export function runDownload(context: DownloadContext, claim: DownloadClaim): Promise<void> {
  const { job, attempt } = claim;
  const trace = new AttemptTrace(context.tracer ?? NO_TRACER, 'download', job, {
    'oxboard.job.attempt': attempt,
  });
  const work = async () => {
    const { logger, metrics } = context;
    const began = performance.now();
    logger.info('download_started', { attempt });
    metrics.downloadsActive.inc();
    const keeper = keepClaim(context.downloads, claim, context);
    let outcome: Outcome = 'lost';
    try {
      outcome = await run(context, claim, keeper, trace);
    } catch (error) {
      // Redis is away or the storage is; the claim runs out, and the job goes on elsewhere.
      logger.error('download_let_go', { error });
      trace.fail(error);
    } finally {
      keeper.release();
      metrics.downloadsActive.dec();
      metrics.downloads.inc({ outcome });
      const duration = (performance.now() - began) / 1000;
      logger.info('download_ended', { outcome, duration });
      if (outcome === 'completed') metrics.downloadSeconds.observe(duration);
      trace.end(outcome);
    }
  };
  return trace.run(() => withLogContext({ job_id: job.id, request_id: job.requestId }, work));
}

async function run(
  context: DownloadContext,
  claim: DownloadClaim,
  keeper: ClaimKeeper,
  trace: AttemptTrace,
): Promise<Outcome> {
  const { downloads, maxDuration } = context;
  try {
    const { source, options } = claim.job.request;
    if (source.kind !== 'youtube') throw new OxboardError('INTERNAL', 'The job has no link');
    const song = await download(context, claim, keeper, {
      url: source.url,
      checkLength: lengthLimit(options, source.model, maxDuration),
    });
    const cost = {
      costSeconds: costSeconds(options, source.model, song.durationSeconds ?? maxDuration),
      progress: DOWNLOADED,
    };
    const done = await untilAnswered(() => downloads.downloaded(claim, song, cost), keeper.signal);
    if (done) return 'completed';
    await removeSong(context, song.key);
    return await whyVoid(keeper);
  } catch (error) {
    if (!(error instanceof Interruption)) trace.fail(error);
    return settle(context, claim, keeper, error);
  }
}

/** What a storage that hangs does not remove in time is the janitor's. */
async function removeSong({ storage, logger }: DownloadContext, key: string): Promise<void> {
  await within(REMOVAL_MS, storage.remove(key)).catch((error: unknown) => {
    logger.warn('song_not_removed', { error });
  });
}

async function download(
  context: DownloadContext,
  claim: DownloadClaim,
  keeper: ClaimKeeper,
  link: { url: string; checkLength: (seconds: number) => void },
): ReturnType<typeof downloadSong> {
  const { downloads, logger, patience } = context;
  const progress = reportProgress(
    async (now) => {
      try {
        if (!(await downloads.progress(claim, now))) await keeper.check();
      } catch (error) {
        logger.debug('progress_not_told', { error });
      }
    },
    () => undefined,
  );
  try {
    return await withRetries(
      () =>
        downloadSong(context, {
          jobId: claim.job.id,
          ...link,
          signal: keeper.signal,
          onProgress: (fraction) => progress.report('downloading', fraction),
        }),
      {
        patience,
        mayPass: (error) => mayPass(error) || isNetwork(error),
        onRetry: (error) => logger.warn('download_retried', { error }),
        signal: keeper.signal,
      },
    );
  } finally {
    await progress.flush();
  }
}

async function settle(
  { downloads, logger, metrics }: DownloadContext,
  claim: DownloadClaim,
  keeper: ClaimKeeper,
  error: unknown,
): Promise<Outcome> {
  if (error instanceof Interruption && error.why !== 'stopping') return error.why;
  if (error instanceof Interruption || isOutage(error)) {
    if (!(error instanceof Interruption)) logger.warn('download_waits', { error });
    return (await downloads.handBack(claim)) ? 'handed_back' : whyVoid(keeper);
  }
  const failure = describeFailure(error, claim.job.request, undefined);
  logger[failure.code === 'INTERNAL' ? 'error' : 'warn']('download_error', { error });
  const done = await untilAnswered(() => downloads.fail(claim, failure), keeper.signal);
  if (!done) return whyVoid(keeper);
  metrics.jobsTotal.inc({ status: 'download_failed' });
  metrics.errorsTotal.inc({ code: failure.code });
  return failure.code;
}

async function whyVoid(keeper: ClaimKeeper): Promise<Outcome> {
  await keeper.check();
  const { reason } = keeper.signal as { reason: unknown };
  return reason instanceof Interruption && reason.why === 'cancelled' ? 'cancelled' : 'lost';
}

const isNetwork = (error: unknown): boolean =>
  error instanceof OxboardError && error.code === 'YOUTUBE_NETWORK';
