import type { Router } from 'express';
import type { z } from 'zod';
import { OxboardError } from '../../errors.js';
import type { Metrics } from '../../observability/metrics.js';
import type { Jobs } from '../../jobs/ports.js';
import { contextOf } from '../context.js';
import { findJob, jobId, jobNotFound } from '../find-job.js';
import { serve } from '../routing.js';
import { listQuery, type JobDocument, type JobList } from '../schemas/jobs.js';
import type { UrlTokens } from '../tenant.js';
import { jobDocument } from '../views.js';

/** The state of a job changes under its URL. */
const FRESH = { 'Cache-Control': 'no-store' };

export function jobRoutes(
  router: Router,
  { jobs, tokens, metrics }: { jobs: Jobs; tokens: UrlTokens; metrics: Metrics },
): void {
  serve(router, '/jobs', 'key', {
    get: async (request, response) => {
      const query = parseQuery(listQuery, request.query);
      const page = await jobs.list(contextOf(request).tenant, query);
      const list: JobList = {
        jobs: await Promise.all(page.jobs.map(async (job) => jobDocument(job, tokens))),
        next_cursor: page.nextCursor ?? null,
      };
      response.set(FRESH).json(list);
    },
  });

  serve(router, '/jobs/:id', 'key', {
    get: async (request, response) => {
      const document: JobDocument = await jobDocument(await findJob(request, jobs), tokens);
      response.set(FRESH).json(document);
    },
    delete: async (request, response) => {
      const done = await jobs.cancelOrRemove(jobId(request), contextOf(request).tenant);
      if (done === undefined) throw jobNotFound();
      if (done === 'cancelled') metrics.jobsTotal.inc({ status: 'cancelled' });
      response.status(204).end();
    },
  });
}

function parseQuery<T extends z.ZodObject>(schema: T, query: unknown): z.output<T> {
  const result = schema.safeParse(query);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new OxboardError(
    'REQUEST_INVALID',
    `The query is malformed: ${String(issue?.path[0] ?? '')}: ${issue?.message ?? ''}`,
  );
}
