/**
 * From an upload or a link to a job: everything that can be known before a worker is asked is checked here.
 */
import { createHash, randomInt, randomUUID } from 'node:crypto';
import { probe, type ProbedInput } from '../audio/probe.js';
import { resolveEncoding } from '../audio/formats.js';
import { OxboardError } from '../errors.js';
import { invalidOption, type JobOptions } from '../options.js';
import type { TraceContext } from '../observability/tracing.js';
import type { Job, JobRequest } from '../jobs/job.js';
import type { Admission, Jobs, WorkerModel, Workers } from '../jobs/ports.js';
import { planStems } from '../separation/stem-plan.js';
import type { Storage } from '../storage/storage.js';
import { withFieldNames, type Form } from './form.js';
import type { UploadedFile } from './upload.js';

/** ffprobe looks at the beginning of a file, and is done in a moment unless the file is made to keep it. */
const PROBE_MS = 30_000;

/** Seconds of audio per second of work that a model is expected to do until it was measured. */
const UNMEASURED_FACTOR = 1;

/** The overlap with which workers measure. */
const MEASURED_OVERLAP = 0.25;

export type SentSong = { file: UploadedFile } | { youtubeUrl: string };

export interface AdmissionRequest {
  song: SentSong;
  form: Form;
  tenant: string;
  requestId: string;
  trace: TraceContext | undefined;
  idempotencyKey: string | undefined;
  signal: AbortSignal;
}

export interface AdmissionDependencies {
  jobs: Jobs;
  workers: Workers;
  storage: Storage;
  /** Seconds of audio; of that behind a link. */
  maxDuration: number;
  youtubeMaxDuration: number;
}

/**
 * Makes a job of a song, or finds the one that the same request made before. When it fails, nothing of
 * an upload is left in the storage for good.
 */
export async function admit(
  request: AdmissionRequest,
  dependencies: AdmissionDependencies,
): Promise<{ job: Job; replayed: boolean }> {
  const model = await chooseModel(request.form.model, dependencies.workers);
  const { song } = request;
  return 'file' in song
    ? admitUpload(request, song.file, model, dependencies)
    : admitLink(request, song.youtubeUrl, model, dependencies);
}

async function admitUpload(
  request: AdmissionRequest,
  file: UploadedFile,
  model: WorkerModel,
  { jobs, storage, maxDuration }: AdmissionDependencies,
): Promise<{ job: Job; replayed: boolean }> {
  const { form, signal } = request;
  const input = await probeSong(file, { maxDuration, signal });
  checkOptions(form.options, model, input.sampleRate);

  const durationSeconds = input.durationSeconds ?? null;
  const costSeconds = cost(durationSeconds ?? maxDuration, form.options, model);
  const id = randomUUID();
  const key = `uploads/${id}`;
  try {
    await storage.putFile(key, file.path, signal);
    const source = {
      kind: 'upload' as const,
      key,
      name: file.name,
      sha256: file.sha256,
      sizeBytes: file.sizeBytes,
      durationSeconds,
    };
    const admitted = await jobs.admit({
      ...(await admission(request, jobs, costSeconds, file.sha256)),
      id,
      request: { source, model: model.name, options: withSeed(form.options) },
    });
    if (admitted.replayed) await storage.remove(key);
    return admitted;
  } catch (error) {
    // Without Redis' answer the job may have been made; if not, the janitor takes the upload.
    const unknown = error instanceof OxboardError && error.code === 'REDIS_UNAVAILABLE';
    if (!unknown) await storage.remove(key).catch(() => undefined);
    throw error;
  }
}

/** What is behind the link is not known yet: worker, options and host are all that can be checked. */
async function admitLink(
  request: AdmissionRequest,
  url: string,
  model: WorkerModel,
  { jobs, youtubeMaxDuration }: AdmissionDependencies,
): Promise<{ job: Job; replayed: boolean }> {
  const { options } = request.form;
  checkOptions(options, model, model.sampleRate);
  const costSeconds = cost(youtubeMaxDuration, options, model);
  const source = {
    kind: 'youtube' as const,
    url,
    key: null,
    name: url,
    sha256: null,
    sizeBytes: null,
    durationSeconds: null,
    costPerSecond: costSeconds / youtubeMaxDuration,
  };
  return jobs.admit({
    ...(await admission(request, jobs, costSeconds, url)),
    id: randomUUID(),
    request: { source, model: model.name, options: withSeed(options) },
  });
}

/** @param song what tells it from others that the client sends. */
async function admission(
  { form, tenant, requestId, trace, idempotencyKey }: AdmissionRequest,
  jobs: Jobs,
  costSeconds: number,
  song: string,
): Promise<Omit<Admission, 'id' | 'request'>> {
  return {
    tenant,
    costSeconds,
    estimatedSeconds: costSeconds + (await jobs.waitSeconds(costSeconds)),
    requestId,
    callbackUrl: form.callbackUrl,
    trace,
    idempotency:
      idempotencyKey === undefined
        ? undefined
        : { key: idempotencyKey, fingerprint: fingerprint(song, form) },
  };
}

async function chooseModel(name: string | undefined, workers: Workers): Promise<WorkerModel> {
  const { models, defaultModel } = await workers.models();
  if (models.length === 0) {
    throw new OxboardError('NO_WORKER', 'No worker has announced its models yet');
  }
  const wanted = name ?? defaultModel;
  const model = models.find((candidate) => candidate.name === wanted);
  if (model) return model;
  const installed = models.map((candidate) => candidate.name).join(', ');
  throw new OxboardError(
    'MODEL_NOT_FOUND',
    `The workers have no model ${JSON.stringify(wanted ?? '')}. Installed: ${installed}`,
  );
}

async function probeSong(
  file: UploadedFile,
  { maxDuration, signal }: { maxDuration: number; signal: AbortSignal },
): Promise<ProbedInput> {
  const patience = AbortSignal.timeout(PROBE_MS);
  const input = await probe(file.path, AbortSignal.any([signal, patience])).catch(
    (error: unknown) => {
      throw aboutUpload(error, file, patience.aborted && !signal.aborted);
    },
  );
  const { durationSeconds } = input;
  if (durationSeconds !== undefined && durationSeconds > maxDuration) {
    throw new OxboardError(
      'AUDIO_TOO_LONG',
      `The audio lasts ${durationSeconds.toFixed(1)} s; this service takes up to ` +
        `${String(maxDuration)} s`,
    );
  }
  return input;
}

/** The same error with the client's name of the file instead of ours. */
function aboutUpload(error: unknown, file: UploadedFile, tooSlow: boolean): unknown {
  const name = JSON.stringify(file.name);
  if (tooSlow) {
    return new OxboardError('INPUT_NOT_AUDIO', `${name} cannot be read as audio in a sane time`);
  }
  if (!(error instanceof OxboardError)) return error;
  if (error.code === 'INPUT_EMPTY') {
    return new OxboardError('INPUT_EMPTY', `${name} holds no audio: it is empty`);
  }
  if (error.code === 'INPUT_NOT_AUDIO') {
    const reason = /\(.*\)$/s.exec(error.message)?.[0] ?? '';
    return new OxboardError('INPUT_NOT_AUDIO', `${name} cannot be decoded as audio ${reason}`);
  }
  return error;
}

function checkOptions(options: JobOptions, model: WorkerModel, inputRate: number): void {
  withFieldNames(() => {
    planStems(model.sources, options);
    resolveEncoding(options, { input: inputRate, model: model.sampleRate });
    const times = repetitions(options);
    if (times > MOST_REPETITIONS) {
      throw new OxboardError(
        'INVALID_OPTION',
        `With so many shifts and so much overlap the song would be computed ${times.toPrecision(3)} ` +
          `times; this service does it up to ${String(MOST_REPETITIONS)} times`,
      );
    }
    const { segment } = options;
    if (segment !== undefined && segment > model.segmentSeconds) {
      const longest = model.segmentSeconds.toFixed(2);
      throw invalidOption(
        'segment',
        `number of seconds above 0 and up to ${longest} (${model.name})`,
        segment,
      );
    }
  });
}

/**
 * Times that a song may be computed: shifts and overlap multiply, and a job of days would keep its
 * place from all others.
 */
const MOST_REPETITIONS = 50;

/** Seconds of work: each shift is a run of its own, and overlapping audio is separated again. */
function cost(seconds: number, { shifts, overlap }: JobOptions, model: WorkerModel): number {
  const factor = model.realtimeFactor ?? UNMEASURED_FACTOR;
  return (seconds / factor) * repetitions({ shifts, overlap }) * (1 - MEASURED_OVERLAP);
}

const repetitions = ({ shifts, overlap }: Pick<JobOptions, 'shifts' | 'overlap'>): number =>
  Math.max(1, shifts) / (1 - overlap);

/** A seed is drawn here when the client gave none, so that every attempt at the job has the same one. */
const withSeed = (options: JobOptions): JobRequest['options'] => ({
  ...options,
  seed: options.seed ?? randomInt(2 ** 32),
});

/** Of what the client asked for: neither a seed that we drew nor our default model is part of it. */
function fingerprint(song: string, { model, options, callbackUrl }: Form): string {
  const canonical = Object.entries({ ...options, model, song, callbackUrl })
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(canonical)).digest('hex');
}
