/**
 * From a job's upload to its stems in the storage: one try.
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { writeError } from '../audio/write-errors.js';
import { probe, type ProbedInput } from '../audio/probe.js';
import type { Separator } from '../engine/separator.js';
import { OxboardError } from '../errors.js';
import type { Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import { separateFile } from '../separation/separate-file.js';
import type { StemSeparator } from '../separation/stem-spools.js';
import type { Storage } from '../storage/storage.js';
import type { Job, JobRequest, JobResult } from '../jobs/job.js';
import type { ProgressReporter } from './progress.js';
import { storeResult } from './results.js';
import type { Separators } from './separators.js';
import type { Speeds } from './speeds.js';
import { StoredCheckpoints } from './stored-checkpoints.js';

export interface SeparationContext {
  storage: Storage;
  separators: Separators;
  speeds: Speeds;
  /** Signature of the runtime. */
  runtime: string;
  /** Where this process works; each job has a folder in it. */
  workDirectory: string;
  /** Seconds of audio. */
  maxDuration: number;
  /** Seconds of work between two checkpoints, at the moment. */
  checkpointInterval: () => number;
  logger: Logger;
  metrics: Metrics;
}

/** A try that failed, with the place where the song lay, for messages. */
export class TryFailed extends Error {
  constructor(
    override readonly cause: unknown,
    readonly inputPath: string | undefined,
  ) {
    super('A try at a job failed');
  }
}

/**
 * @returns the result, and the hash of the model that made it: the archive may have been replaced
 * since the job was claimed.
 * @throws TryFailed; nothing is left behind but checkpoints.
 */
export async function separateJob(
  context: SeparationContext,
  { id, request }: Job,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<{ result: JobResult; usedModel: string }> {
  const { storage, metrics, logger } = context;
  let directory: string | undefined;
  let inputPath: string | undefined;
  try {
    progress.report('loading');
    await mkdir(context.workDirectory, { recursive: true });
    directory = await mkdtemp(path.join(context.workDirectory, 'job-'));
    const lease = await context.separators.acquire(request.model, signal);
    try {
      const { key } = request.source;
      if (key === null) throw new OxboardError('INTERNAL', 'The song was not downloaded');
      inputPath = await storage.localFile(key, directory, signal);
      const input = withTitle(await probe(inputPath, signal));
      const checkpoints = new StoredCheckpoints({
        storage,
        prefix: `${checkpointsOf(id)}/${digest(`${context.runtime} ${lease.hash}`)}`,
        interval: context.checkpointInterval,
        signal,
        logger,
      });
      const { stems, shifts, overlap, segment, seed, ...output } = request.options;
      const made = await separateFile({
        input,
        separator: followSegments(lease.separator, metrics, progress),
        output: { ...output, out: path.join(directory, 'stems'), filename: '{stem}.{ext}' },
        options: { ...(stems && { stems }), shifts, overlap, ...(segment && { segment }), seed },
        maxSeconds: context.maxDuration,
        checkpoints,
        signal,
        onProgress: ({ stage, fraction }) => progress.report(stage, fraction),
      });
      progress.report('storing');
      const result = await storeResult(storage, made, checkpoints.workSeconds, signal);
      if (checkpoints.resumed) metrics.resumes.inc();
      else await measure(context, lease.hash, request, made);
      return { result, usedModel: lease.hash };
    } finally {
      lease.release();
    }
  } catch (error) {
    throw new TryFailed(fullDiskAsOurs(error, context.workDirectory), inputPath);
  } finally {
    if (directory)
      await rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  }
}

/** Beginning of the keys of all checkpoints of a job, whatever they were made on. */
export const checkpointsOf = (jobId: string): string => `checkpoints/${jobId}`;

const digest = (text: string): string =>
  createHash('sha256').update(text).digest('hex').slice(0, 32);

function fullDiskAsOurs(error: unknown, place: string): unknown {
  const known = writeError(error, place);
  return known instanceof OxboardError && known.code === 'DISK_FULL' ? known : error;
}

/**
 * The file has the name of its key, which is no title; nor is the name that its owner gave it, for
 * equal songs of others share the result.
 */
function withTitle(input: ProbedInput): ProbedInput {
  const { title = '' } = input.tags;
  if (title.trim() !== '') return input;
  return { ...input, tags: { ...input.tags, title: 'Untitled' } };
}

/** Segments that an earlier attempt ran come with the first report, and are none of this one's. */
function followSegments(
  separator: Separator,
  metrics: Metrics,
  reporter: ProgressReporter,
): StemSeparator {
  const { model } = separator;
  return {
    model,
    stream(source, options) {
      let counted = options.resumeFrom ? undefined : 0;
      return separator.stream(source, {
        ...options,
        onProgress: (progress) => {
          const { segmentsDone, batch } = progress;
          metrics.segments.inc({ model: model.name }, segmentsDone - (counted ?? segmentsDone));
          counted = segmentsDone;
          if (batch) reporter.ran?.(batch, model);
          options.onProgress?.(progress);
        },
      });
    },
  };
}

async function measure(
  { speeds, logger }: SeparationContext,
  modelHash: string,
  request: JobRequest,
  { seconds, realtimeFactor }: { seconds: number; realtimeFactor: number },
): Promise<void> {
  const audioSeconds = seconds * realtimeFactor;
  try {
    await speeds.add(modelHash, { audioSeconds, workSeconds: seconds, options: request.options });
  } catch (error) {
    // It serves estimates only.
    logger.warn('speed_not_kept', { error });
  }
}
