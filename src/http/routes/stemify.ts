import { rm } from 'node:fs/promises';
import type { RequestHandler, Router } from 'express';
import { OxboardError } from '../../errors.js';
import type { Metrics } from '../../observability/metrics.js';
import type { Logger } from '../../observability/logger.js';
import { inSpan, type Tracer } from '../../observability/tracing.js';
import type { Job } from '../../jobs/job.js';
import { admit, type AdmissionDependencies, type SentSong } from '../admission.js';
import { contextOf } from '../context.js';
import { readForm, type FormSettings } from '../form.js';
import { serve } from '../routing.js';
import { IDEMPOTENCY_KEY } from '../schemas/stemify.js';
import {
  checkUploadHeaders,
  receiveUpload,
  type UploadedFile,
  type UploadSettings,
} from '../upload.js';
import { jobUrl } from '../views.js';

export interface StemifyDependencies extends AdmissionDependencies {
  upload: UploadSettings;
  form: FormSettings;
  limit: RequestHandler;
  metrics: Metrics;
  tracer: Tracer;
  logger: Logger;
}

/** POST /stemify: cheap checks first, then the body, then what it holds. */
export function stemifyRoute(router: Router, dependencies: StemifyDependencies): void {
  const { upload, limit, metrics, tracer, logger } = dependencies;
  serve(router, '/stemify', 'key', {
    post: [
      (request, _response, next) => {
        idempotencyKey(request.get('idempotency-key'));
        checkUploadHeaders(request, upload.maxFileSize);
        next();
      },
      limit,
      async (request, response) => {
        const { file, fields } = await inSpan(tracer, 'upload', {}, () =>
          receiveUpload(request, response, upload),
        );
        const { id: requestId, tenant, signal } = contextOf(request);
        try {
          const form = readForm(fields, dependencies.form);
          const song = chooseSong(file, form.youtubeUrl);
          const { job, replayed } = await inSpan(
            tracer,
            'admission',
            { kind: 'producer' },
            async (span) => {
              const admitted = await admit(
                {
                  song,
                  form,
                  tenant,
                  requestId,
                  trace: span.context,
                  idempotencyKey: idempotencyKey(request.get('idempotency-key')),
                  signal,
                },
                dependencies,
              );
              const { job, replayed } = admitted;
              span.set({ 'oxboard.job.id': job.id, 'oxboard.job.replayed': replayed });
              return admitted;
            },
          );
          if (!replayed) {
            metrics.jobsTotal.inc({ status: 'pending' });
            if (file) metrics.uploadBytes.observe(file.sizeBytes);
          }
          logger.info(replayed ? 'job_replayed' : 'job_admitted', {
            job_id: job.id,
            model: job.request.model,
            source: job.request.source.kind,
            size_bytes: job.request.source.sizeBytes,
            audio_seconds: job.request.source.durationSeconds,
            estimated_duration: job.estimatedSeconds,
          });
          response.status(202).location(jobUrl(job.id)).json(acceptance(job, replayed));
        } finally {
          if (file) await rm(file.path, { force: true });
        }
      },
    ],
  });
}

function chooseSong(file: UploadedFile | undefined, youtubeUrl: string | undefined): SentSong {
  if (file && youtubeUrl !== undefined) {
    throw new OxboardError(
      'INVALID_OPTION',
      'The form has a file and a youtube_url. Send only one of them',
    );
  }
  if (file) return { file };
  if (youtubeUrl !== undefined) return { youtubeUrl };
  throw new OxboardError(
    'INVALID_OPTION',
    'The form has no song. Send a file as "file", or a link as "youtube_url"',
  );
}

function idempotencyKey(given: string | undefined): string | undefined {
  if (given === undefined || IDEMPOTENCY_KEY.test(given)) return given;
  throw new OxboardError(
    'REQUEST_INVALID',
    'An Idempotency-Key has 1 to 255 printable ASCII characters without spaces',
  );
}

const acceptance = (job: Job, replayed: boolean) => ({
  job_id: job.id,
  status: job.status,
  estimated_duration: Math.round(job.estimatedSeconds * 10) / 10,
  message: replayed
    ? 'This Idempotency-Key has made this job before'
    : 'The song was taken. Watch the job at its Location, or its events',
});
