/**
 * From a job's upload to its stems in the storage: one try.
 */
import path from 'node:path';
import { probe, type ProbedInput } from '../audio/probe.js';
import { writeError } from '../audio/write-errors.js';
import { OxboardError } from '../errors.js';
import { workSeconds } from '../model-options.js';
import type { Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import { separateFile, type FileResult } from '../separation/separate-file.js';
import type { Storage } from '../storage/storage.js';
import type { Job, JobRequest, JobResult } from '../jobs/job.js';
import type { CheckpointPosition } from '../jobs/ports.js';
import { isOutOfMemory } from './failures.js';
import { fetchInput } from './fetch-input.js';
import { lengthLimit } from './length-limit.js';
import { observeSegments } from './observe-segments.js';
import type { ProgressReporter } from './progress.js';
import { storeResult } from './results.js';
import type { LoadedModel, Separators } from './separators.js';
import { watchForStall } from './stall.js';
import type { Speeds } from './speeds.js';
import { checkpointPrefix, StoredCheckpoints } from './stored-checkpoints.js';
import { inFolder } from './work-folder.js';

export interface SeparationContext {
  storage: Storage;
  separators: Separators;
  speeds: Speeds;
  /** Signature of the runtime. */
  runtime: string;
  /** Where this process works; each try has a folder in it. */
  workDirectory: string;
  /** Seconds of audio. */
  maxDuration: number;
  /** Seconds of work between two checkpoints, at the moment. */
  checkpointInterval: () => number;
  /** Milliseconds without a batch after which a job does not go on; see stall.ts. */
  stallLimit: (segmentSeconds: number, realtimeFactor: number | null) => number;
  logger: Logger;
  metrics: Metrics;
}

/** What the queue is told during a try; these handle their own errors. */
export interface SeparationListener {
  onCheckpoint: (position: CheckpointPosition) => Promise<void>;
  /** The work does not go on. */
  onStall: () => Promise<void>;
}

export interface SeparatedJob {
  result: JobResult;
  /** Hash of the model that made the result: the archive may be newer than the claim. */
  usedModel?: string;
}

/** @throws OxboardError; `signal.reason`. Nothing is left behind but checkpoints. */
export async function separateJob(
  context: SeparationContext,
  { id, request }: Job,
  { progress, listener }: { progress: ProgressReporter; listener: SeparationListener },
  signal: AbortSignal,
): Promise<SeparatedJob> {
  const { separators, workDirectory } = context;
  progress.report('loading');
  try {
    return await inFolder(workDirectory, 'job-', async (directory) => {
      const model = await separators.acquire(request.model, signal);
      try {
        const run = { context, id, request, progress, listener, signal, directory, model };
        return { result: await separateAndStore(run), usedModel: model.hash };
      } finally {
        model.release();
      }
    });
  } catch (error) {
    if (isOutOfMemory(error)) separators.disposeIdle();
    const known = writeError(error, workDirectory);
    throw known instanceof OxboardError && known.code === 'DISK_FULL' ? known : error;
  }
}

interface Run {
  context: SeparationContext;
  id: string;
  request: JobRequest;
  progress: ProgressReporter;
  listener: SeparationListener;
  signal: AbortSignal;
  /** Of this try. */
  directory: string;
  model: LoadedModel;
}

async function separateAndStore(run: Run): Promise<JobResult> {
  const { context, id, request, progress, listener, signal, directory, model } = run;
  const { storage, runtime, speeds, metrics, logger } = context;
  const { key, sha256 } = request.source;
  if (key === null) throw new OxboardError('INTERNAL', 'The song was not downloaded');
  const inputPath = await fetchInput(storage, { key, sha256 }, directory, signal);
  const checkpoints = new StoredCheckpoints({
    storage,
    prefix: checkpointPrefix(id, { runtime, modelHash: model.hash }),
    interval: context.checkpointInterval,
    onKept: listener.onCheckpoint,
    signal,
    logger,
  });
  const { segment, sampleRate } = model.separator.model;
  const limitMs = context.stallLimit(segment / sampleRate, await speeds.of(model.hash));
  const watch = watchForStall(progress, { limitMs, onStall: () => void listener.onStall() });
  const made = await separate(inputPath, checkpoints, { ...run, progress: watch.reporter })
    .catch((error: unknown) => {
      throw withSongName(error, inputPath, request.source.name);
    })
    .finally(watch.stop);
  progress.report('storing');
  const result = await storeResult(storage, made, checkpoints.workSeconds, signal);
  if (checkpoints.resumed) {
    metrics.resumes.inc();
  } else {
    const { seconds, realtimeFactor } = made;
    const work = workSeconds(request.options, model.separator.model, seconds * realtimeFactor);
    await speeds.add(model.hash, { work, seconds }).catch((error: unknown) => {
      // Only estimates need it.
      logger.warn('speed_not_stored', { error });
    });
  }
  return result;
}

async function separate(
  inputPath: string,
  checkpoints: StoredCheckpoints,
  { context, request, progress, signal, directory, model }: Run,
): Promise<FileResult> {
  const { stems, shifts, overlap, segment, seed, ...output } = request.options;
  return separateFile({
    input: withTitle(await probe(inputPath, signal)),
    separator: observeSegments(model.separator, context.metrics, progress),
    output: { ...output, out: path.join(directory, 'stems'), filename: '{stem}.{ext}' },
    options: { stems, shifts, overlap, segment, seed },
    checkLength: lengthLimit(request.options, model.separator.model, context.maxDuration),
    checkpoints,
    signal,
    onProgress: ({ stage, fraction }) => progress.report(stage, fraction),
  });
}

/**
 * The name of the local file is its key, which is no title. The name that the owner gave it is none
 * either: equal songs of others share the result.
 */
function withTitle(input: ProbedInput): ProbedInput {
  const { title = '' } = input.tags;
  if (title.trim() !== '') return input;
  return { ...input, tags: { ...input.tags, title: 'Untitled' } };
}

/** The owner of the job knows the song by its name, not by its path on this machine. */
function withSongName(error: unknown, inputPath: string, name: string): unknown {
  if (!(error instanceof OxboardError) || !error.message.includes(inputPath)) return error;
  const message = error.message.replaceAll(inputPath, () => name);
  return new OxboardError(error.code, message, { cause: error });
}
