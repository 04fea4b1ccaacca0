/**
 * From an upload or a link to a job: everything that can be known before a worker is asked is checked here.
 */
import { randomInt, randomUUID } from 'node:crypto';
import { sha256Hex } from '../lib/hash.js';
import { measureSeconds } from '../audio/measure.js';
import { checkFinite, probe } from '../audio/probe.js';
import { resolveEncoding } from '../audio/formats.js';
import { OxboardError } from '../errors.js';
import { nameOfFile } from '../intake/source-url/url.js';
import { checkModelOptions, checkPart } from '../model-options.js';
import type { JobOptions } from '../options.js';
import type { TraceContext } from '../observability/tracing.js';
import { checkWork, costSeconds } from '../jobs/cost.js';
import type { Job, JobRequest, SongLink } from '../jobs/job.js';
import type { Admission, Jobs, WorkerModel, Workers } from '../jobs/ports.js';
import type { Storage } from '../storage/storage.js';
import { withFieldNames, type Form } from './form.js';
import type { UploadedFile } from './upload.js';

/** ffprobe looks at the beginning of a file, and is done in a moment unless the file is made to keep it. */
const PROBE_MS = 30_000;

/** Seconds. Options that are too much work for such a song are refused before a link is followed. */
const SHORT_SONG = 30;

export type SentSong = { file: UploadedFile } | { link: SongLink };

export interface AdmissionRequest {
  song: SentSong;
  form: Form;
  tenant: string;
  /** With whom its jobs take turns. */
  client: string;
  requestId: string;
  trace: TraceContext | undefined;
  idempotencyKey: string | undefined;
  signal: AbortSignal;
}

export interface AdmissionDependencies {
  jobs: Jobs;
  workers: Workers;
  storage: Storage;
  /** Seconds of audio; of that behind each kind of link. */
  maxDuration: number;
  linkMaxDurations: Record<SongLink['kind'], number>;
  /** Whether jobs are accepted while no worker runs. */
  queueWithoutWorkers: boolean;
}

/**
 * Makes a job of a song, or finds the one that the same request made before. When it fails, nothing of
 * an upload is left in the storage for good.
 */
export async function admit(
  request: AdmissionRequest,
  dependencies: AdmissionDependencies,
): Promise<{ job: Job; replayed: boolean }> {
  const model = await chooseModel(request.form.model, dependencies);
  const { song } = request;
  return 'file' in song
    ? admitUpload(request, song.file, model, dependencies)
    : admitLink(request, song.link, model, dependencies);
}

async function admitUpload(
  request: AdmissionRequest,
  file: UploadedFile,
  model: WorkerModel,
  { jobs, storage, maxDuration }: AdmissionDependencies,
): Promise<{ job: Job; replayed: boolean }> {
  const { form, signal } = request;
  const { track } = form.options;
  const { sampleRate, durationSeconds } = await probeSong(file, { maxDuration, track, signal });
  checkOptions(form.options, model, sampleRate);
  checkPart(form.options, durationSeconds);
  checkWork(form.options, model, durationSeconds, maxDuration);

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
      ...(await admission(request, jobs, model, durationSeconds, file.sha256)),
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
  { kind, url }: SongLink,
  model: WorkerModel,
  { jobs, linkMaxDurations }: AdmissionDependencies,
): Promise<{ job: Job; replayed: boolean }> {
  const { options } = request.form;
  const maxDuration = linkMaxDurations[kind];
  checkOptions(options, model, model.sampleRate);
  checkWork(options, model, Math.min(SHORT_SONG, maxDuration), maxDuration);
  const { sampleRate, segment, minLength, overlapAdd, realtimeFactor } = model;
  const source = {
    kind,
    url,
    key: null,
    name: kind === 'youtube' ? url : nameOfFile(new URL(url).pathname),
    sha256: null,
    sizeBytes: null,
    durationSeconds: null,
    model: { sampleRate, segment, minLength, overlapAdd, realtimeFactor },
  };
  return jobs.admit({
    ...(await admission(request, jobs, model, maxDuration, `${kind} ${url}`)),
    id: randomUUID(),
    request: { source, model: model.name, options: withSeed(options) },
  });
}

/**
 * @param songSeconds length of the song, as far as it is known.
 * @param song what tells it from others that the client sends.
 */
async function admission(
  { form, tenant, client, requestId, trace, idempotencyKey }: AdmissionRequest,
  jobs: Jobs,
  model: WorkerModel,
  songSeconds: number,
  song: string,
): Promise<Omit<Admission, 'id' | 'request'>> {
  const cost = costSeconds(form.options, model, songSeconds);
  return {
    tenant,
    client,
    costSeconds: cost,
    estimatedSeconds: cost + (await jobs.waitSeconds(cost)),
    requestId,
    callbackUrl: form.callbackUrl,
    clientReference: form.clientReference,
    trace,
    idempotency:
      idempotencyKey === undefined
        ? undefined
        : { key: idempotencyKey, fingerprint: fingerprint(song, form) },
  };
}

async function chooseModel(
  name: string | undefined,
  { workers, queueWithoutWorkers }: AdmissionDependencies,
): Promise<WorkerModel> {
  const { models, defaultModel } = await workers.models();
  if (models.length === 0) {
    throw new OxboardError('NO_WORKER', 'No worker has announced its models yet');
  }
  if (!queueWithoutWorkers && !models.some(({ serving }) => serving)) {
    throw new OxboardError('NO_WORKER', 'No worker runs at the moment. Send the song again later');
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
  {
    maxDuration,
    track,
    signal,
  }: { maxDuration: number; track: number | undefined; signal: AbortSignal },
): Promise<{ sampleRate: number; durationSeconds: number }> {
  const timeout = AbortSignal.timeout(PROBE_MS);
  const either = AbortSignal.any([signal, timeout]);
  const explain = (error: unknown): never => {
    throw aboutUpload(error, file, timeout.aborted && !signal.aborted);
  };
  const input = await probe(file.path, { signal: either, track }).catch(explain);
  const durationSeconds = await measureSeconds(input, either).catch(explain);
  if (durationSeconds > maxDuration) {
    throw new OxboardError(
      'AUDIO_TOO_LONG',
      `The audio lasts ${durationSeconds.toFixed(1)} s; this service takes up to ` +
        `${String(maxDuration)} s`,
    );
  }
  await checkFinite(input, either).catch(explain);
  return { ...input, durationSeconds };
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
  if (error.code === 'INPUT_NOT_FINITE') {
    return new OxboardError(
      'INPUT_NOT_FINITE',
      `${name} holds NaN or Inf. Repair it, for example by converting it to 16 bit`,
    );
  }
  if (error.code === 'INPUT_NOT_AUDIO') {
    const reason = /\(.*\)$/s.exec(error.message)?.[0] ?? '';
    return new OxboardError('INPUT_NOT_AUDIO', `${name} cannot be decoded as audio ${reason}`);
  }
  return error;
}

/** @param inputRate sample rate of the song, as far as it is known. */
function checkOptions(options: JobOptions, model: WorkerModel, inputRate: number): void {
  withFieldNames(() => {
    checkModelOptions(options, model);
    resolveEncoding(options, { input: inputRate, model: model.sampleRate });
  });
}

/** A seed is drawn here when the client gave none, so that every attempt at the job has the same one. */
const withSeed = (options: JobOptions): JobRequest['options'] => ({
  ...options,
  seed: options.seed ?? randomInt(2 ** 32),
});

/** Of what the client asked for: neither a seed that we drew nor our default model is part of it. */
function fingerprint(song: string, { model, options, callbackUrl, clientReference }: Form): string {
  const canonical = Object.entries({ ...options, model, song, callbackUrl, clientReference })
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return sha256Hex(JSON.stringify(canonical));
}
