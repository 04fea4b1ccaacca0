/**
 * Records as Redis has them: a hash, one field for each field of the schema. Texts are stored as they
 * are, because the scripts compare them; everything else is JSON, and null is left out.
 */
import { z } from 'zod';
import { jobSchema, type Job } from './job.js';
import type { Admission } from './ports.js';

/** Beginning of the keys under which attempts to download a job's song put what they got. */
export const downloadsOf = (jobId: string): string => `uploads/${jobId}`;

/** Beginning of the keys of all objects of a result. */
export const resultKey = (resultId: string): string => `results/${resultId}`;

/** Key of a chunk of a stem. */
export const chunkKey = (resultId: string, stem: string, number: number): string =>
  `${resultKey(resultId)}/chunks/${stem}/${String(number)}.flac`;

/** Key of the peaks of all stems: for each pixel, those of each stem. */
export const peaksKey = (resultId: string): string => `${resultKey(resultId)}/peaks`;

/** Fields by name, as text. The scripts add fields of their own. */
export type JobRecord = Record<string, string>;

const isText = (schema: z.ZodType): boolean =>
  schema instanceof z.ZodNullable
    ? isText(schema.unwrap() as z.ZodType)
    : schema instanceof z.ZodString || schema instanceof z.ZodEnum;

const fields = Object.entries(jobSchema.shape).map(([name, schema]) => ({
  name: name as keyof Job,
  text: isText(schema),
}));

/** The record of a job that was just admitted, but for the times, which Redis' clock gives. */
export const admittedJob = ({
  id,
  tenant,
  request,
  estimatedSeconds,
  requestId,
  trace,
  callbackUrl,
  clientReference,
}: Admission): Omit<Job, 'createdAt' | 'updatedAt'> => ({
  id,
  tenant,
  status: 'pending',
  stage: 'waiting',
  progress: 0,
  attempts: 0,
  startedAt: null,
  finishedAt: null,
  estimatedSeconds,
  requestId,
  trace: trace ?? null,
  clientReference: clientReference ?? null,
  request,
  error: null,
  result: null,
  playback: null,
  chunksReady: 0,
  warnings: null,
  cached: false,
  webhook:
    callbackUrl === undefined
      ? null
      : {
          url: callbackUrl,
          status: 'pending',
          attempts: 0,
          lastAttemptAt: null,
          nextAttemptAt: null,
          lastStatus: null,
          lastError: null,
        },
});

export function encodeJob(job: Partial<Job>): JobRecord {
  const record: JobRecord = {};
  for (const { name, text } of fields) {
    const value = job[name] ?? null;
    if (value !== null) record[name] = text ? (value as string) : JSON.stringify(value);
  }
  return record;
}

/** Those of some records that can be read: one that is damaged hides no other. */
export const readableJobs = (records: readonly JobRecord[]): Job[] =>
  records.flatMap((record) => {
    try {
      return [decodeJob(record)];
    } catch {
      return [];
    }
  });

/** @throws SyntaxError or ZodError for a record that does not fit the schema. */
export function decodeJob(record: JobRecord): Job {
  const job: Record<string, unknown> = {};
  for (const { name, text } of fields) {
    const value = record[name];
    job[name] = value === undefined || text ? (value ?? null) : JSON.parse(value);
  }
  return jobSchema.parse(job);
}
