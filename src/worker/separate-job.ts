/**
 * From a job's upload to its stems in the storage: one try.
 */
import path from 'node:path';
import { probe } from '../audio/probe.js';
import { writeError } from '../audio/write-errors.js';
import { OxboardError } from '../errors.js';
import { workSeconds } from '../model-options.js';
import type { ResolvedOutputOptions } from '../options.js';
import type { Logger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import { checkOutput, separateFile, type FileResult } from '../separation/separate-file.js';
import type { Storage } from '../storage/storage.js';
import { MIXTURE } from '../audio/chunk-format.js';
import type { JobResult } from '../jobs/job.js';
import type { CheckpointPosition, Claim, Claims } from '../jobs/ports.js';
import { isOutOfMemory } from './failures.js';
import { fetchInput } from './fetch-input.js';
import { Interruption } from './interruption.js';
import { lengthLimit } from './length-limit.js';
import { observeSegments } from './observe-segments.js';
import type { ProgressReporter } from './progress.js';
import { storeResult } from './results.js';
import type { LoadedModel, Separators } from './separators.js';
import { watchForStall } from './stall.js';
import type { Speeds } from './speeds.js';
import { checkpointPrefix, signatureOf, StoredCheckpoints } from './stored-checkpoints.js';
import { StoredChunks } from './stored-chunks.js';
import { inFolder } from './work-folder.js';

export interface SeparationContext {
  claims: Claims;
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
  claim: Claim,
  { progress, listener }: { progress: ProgressReporter; listener: SeparationListener },
  signal: AbortSignal,
): Promise<SeparatedJob> {
  const { separators, workDirectory } = context;
  progress.report('loading');
  try {
    return await inFolder(workDirectory, 'job-', async (directory) => {
      const model = await separators.acquire(claim.job.request.model, signal);
      try {
        const run = { context, claim, progress, listener, signal, directory, model };
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
  claim: Claim;
  progress: ProgressReporter;
  listener: SeparationListener;
  signal: AbortSignal;
  /** Of this try. */
  directory: string;
  model: LoadedModel;
}

async function separateAndStore(run: Run): Promise<JobResult> {
  const { context, claim, progress, listener, signal, directory, model } = run;
  const { id, request } = claim.job;
  const { storage, runtime, speeds, metrics, logger } = context;
  const { key, sha256 } = request.source;
  if (key === null) throw new OxboardError('INTERNAL', 'The song was not downloaded');
  const chunks = await beginChunks(run);
  const inputPath = await fetchInput(storage, { key, sha256 }, directory, signal);
  const checkpoints = new StoredCheckpoints({
    storage,
    prefix: checkpointPrefix(id, signatureOf({ runtime, modelHash: model.hash })),
    interval: context.checkpointInterval,
    onKept: listener.onCheckpoint,
    signal,
    logger,
  });
  const { segment, sampleRate } = model.separator.model;
  const limitMs = context.stallLimit(segment / sampleRate, await speeds.of(model.hash));
  const watch = watchForStall(progress, { limitMs, onStall: () => void listener.onStall() });
  const made = await separate(inputPath, checkpoints, chunks, { ...run, progress: watch.reporter })
    .catch((error: unknown) => {
      throw withSongName(error, inputPath, request.source.name);
    })
    .finally(watch.stop);
  progress.report('storing');
  const result = await storeResult(
    storage,
    made,
    chunks.playback,
    { frames: chunks.frames, workSeconds: checkpoints.workSeconds },
    signal,
  );
  if (checkpoints.resumed) {
    metrics.resumes.inc();
  } else {
    const { seconds, songSeconds } = made;
    const work = workSeconds(request.options, model.separator.model, songSeconds);
    await speeds.add(model.hash, { work, seconds }).catch((error: unknown) => {
      // Only estimates need it.
      logger.warn('speed_not_stored', { error });
    });
  }
  return result;
}

/** @throws Interruption when the claim is void. */
async function beginChunks({ context, claim, signal, model }: Run): Promise<StoredChunks> {
  const { claims, storage, runtime, logger } = context;
  const { model: description } = model.separator;
  const { outputs } = checkOutput(description, outputOf(claim, ''), claim.job.request.options);
  const begun = await claims.beginPlayback(claim, {
    signature: signatureOf({ runtime, modelHash: model.hash }),
    sampleRate: description.sampleRate,
    stems: [...outputs.map(({ name }) => name), MIXTURE],
  });
  if (!begun) throw new Interruption('lost');
  return new StoredChunks({ ...begun, claims, lease: claim, storage, signal, logger });
}

async function separate(
  inputPath: string,
  checkpoints: StoredCheckpoints,
  chunks: StoredChunks,
  { context, claim, progress, signal, directory, model }: Run,
): Promise<FileResult> {
  const { request } = claim.job;
  const { stems, shifts, overlap, segment, seed, mix, mixtureConsistent, start, end } =
    request.options;
  return separateFile({
    input: await probe(inputPath, { signal, track: request.options.track }),
    // The name that the owner gave it is the job's: equal songs of others share the result.
    songName: null,
    separator: observeSegments(model.separator, context.metrics, progress),
    output: outputOf(claim, path.join(directory, 'stems')),
    options: { stems, shifts, overlap, segment, seed, mix, mixtureConsistent, start, end },
    checkLength: lengthLimit(request.options, model.separator.model, context.maxDuration),
    checkpoints,
    chunks,
    signal,
    onProgress: ({ stage, fraction }) => progress.report(stage, fraction),
  });
}

const outputOf = ({ job }: Claim, out: string): ResolvedOutputOptions => ({
  ...job.request.options,
  out,
  filename: '{stem}.{ext}',
});

/** The owner of the job knows the song by its name, not by its path on this machine. */
function withSongName(error: unknown, inputPath: string, name: string): unknown {
  if (!(error instanceof OxboardError) || !error.message.includes(inputPath)) return error;
  const message = error.message.replaceAll(inputPath, () => name);
  return new OxboardError(error.code, message, { cause: error });
}
