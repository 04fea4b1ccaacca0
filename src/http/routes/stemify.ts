/**
 * POST /stemify: cheap checks first, then the body, then the song.
 */
import { rm } from 'node:fs/promises';
import { z } from 'zod';
import { OxboardError } from '../../errors.js';
import type { Job } from '../../jobs/job.js';
import { inSpan } from '../../observability/tracing.js';
import { admit, type SentSong } from '../admission.js';
import { readForm, type Form } from '../form.js';
import { jobDocument, jobStatus, jobUrl } from '../job-document.js';
import { completedJob } from '../job-examples.js';
import { defineRoute, header, json } from '../route.js';
import { stemifyForm } from '../schemas/stemify.js';
import { fetchUpload } from '../resumable.js';
import { checkUploadHeaders, receiveUpload, type UploadedFile } from '../upload.js';

export const accepted = z
  .object({
    job_id: z.uuid().meta({ description: 'Id of the job.' }),
    status: jobStatus,
    estimated_duration: z
      .number()
      .min(0)
      .meta({ description: 'Seconds until the stems are there, waiting included.' }),
    message: z.string().meta({ description: 'What happened, as a sentence.' }),
  })
  .meta({ id: 'Accepted' });
export type AcceptedDocument = z.output<typeof accepted>;

const stemifyHeaders = z.object({
  'Idempotency-Key': z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'it has 1 to 255 printable ASCII characters without spaces')
    .optional()
    .meta({
      description:
        'Makes it safe to send the request again: the same key with the same song and options gives ' +
        'the job that the first request made, in whatever status it is now, also failed or ' +
        'cancelled. To try such a song again, use another key.',
      examples: ['order-66'],
    }),
});

const jobEnded = {
  summary: 'A job has ended: it is completed, failed or cancelled.',
  description:
    'Signed by Standard Webhooks and delivered at least once. Without an answer of 2xx it is sent ' +
    'again with the same webhook-id for up to a day; 410 ends that. Redirects are not followed.',
  security: [],
  requestParams: {
    header: z.object({
      'webhook-id': header('The job_id. Deliveries of the same job have the same id.'),
      'webhook-timestamp': header('Time of the attempt, in seconds since 1970.'),
      'webhook-signature': header(
        '"v1," and the base64 of HMAC-SHA256 over id, timestamp and body, joined by dots.',
      ),
    }),
  },
  requestBody: {
    required: true,
    content: { 'application/json': { schema: jobDocument, example: completedJob } },
  },
  responses: { '204': { description: 'Any 2xx: the document was received.' } },
};

const stemify = defineRoute({
  method: 'post',
  url: '/stemify',
  access: 'key',
  tag: 'Jobs',
  operationId: 'stemify',
  summary: 'Separate a song.',
  description:
    'Send a file, a link, or the id of an upload (/uploads). The answer comes at once; follow the ' +
    'job at its events_url, or poll its Location.',
  headers: stemifyHeaders,
  body: {
    required: true,
    content: {
      'multipart/form-data': {
        schema: stemifyForm,
        examples: {
          file: {
            summary: 'Vocals and accompaniment of a file, as MP3.',
            value: { file: '(bytes of song.mp3)', two_stems: 'vocals', output_format: 'mp3' },
          },
          link: {
            summary: 'Drums and bass of a video, in better quality.',
            value: {
              youtube_url: 'https://www.youtube.com/watch?v=dQw4w9WgXcQ',
              stems: ['drums', 'bass'],
              shifts: 2,
              overlap: 0.5,
            },
          },
        },
      },
    },
  },
  callbacks: { finished: { '{$request.body#/callback_url}': { post: jobEnded } } },
  responses: {
    '202': {
      ...json(accepted, 'The song is accepted as a job.', {
        job_id: completedJob.job_id,
        status: 'pending',
        estimated_duration: 96,
        message: 'The song is accepted. Follow the job at its Location or by its events',
      }),
      headers: z.object({ Location: header('Path of the job.') }),
    },
  },
  errors: [
    'UPLOAD_TIMEOUT',
    'UPLOAD_NOT_FOUND',
    'UPLOAD_INCOMPLETE',
    'IDEMPOTENCY_CONFLICT',
    'FILE_TOO_LARGE',
    'AUDIO_TOO_LONG',
    'MEDIA_TYPE_UNSUPPORTED',
    'INPUT_NOT_AUDIO',
    'INPUT_EMPTY',
    'INPUT_NOT_FINITE',
    'INVALID_OPTION',
    'SOURCE_URL_DISABLED',
    'SOURCE_URL_HOST_NOT_ALLOWED',
    'YOUTUBE_HOST_NOT_ALLOWED',
    'YOUTUBE_PLAYLIST',
    'WEBHOOKS_DISABLED',
    'ADDRESS_NOT_PUBLIC',
    'MODEL_NOT_FOUND',
    'RATE_LIMITED',
    'REDIS_UNAVAILABLE',
    'REDIS_REFUSES_WRITES',
    'STORAGE_UNAVAILABLE',
    'NO_WORKER',
    'DISK_FULL',
  ],
  handler: (dependencies) => {
    const { upload, form: settings, postLimit, metrics, tracer, logger } = dependencies;
    return async ({ request, response, context, headers }) => {
      const { job, replayed } = await postLimit(request, response, async () => {
        checkUploadHeaders(request, upload.maxFileSize);
        const received = await inSpan(tracer, 'upload', {}, () =>
          receiveUpload(request, response, upload),
        );
        let { file } = received;
        try {
          const form = readForm(received.fields, settings);
          const { uploadId } = form;
          let song = chooseSong(file, form);
          if ('uploadId' in song) {
            file = await fetchUpload(song.uploadId, context, dependencies);
            song = { file };
          }
          const sent = song;
          return await inSpan(tracer, 'admission', { kind: 'producer' }, async (span) => {
            const admitted = await admit(
              {
                song: sent,
                form,
                tenant: context.tenant,
                client: context.client,
                requestId: context.id,
                trace: span.context,
                idempotencyKey: headers['Idempotency-Key'],
                signal: context.signal,
              },
              dependencies,
            );
            span.set({
              'oxboard.job.id': admitted.job.id,
              'oxboard.job.replayed': admitted.replayed,
            });
            if (uploadId !== undefined) {
              // Else it goes when its time is over.
              await dependencies.resumable.uploads.used(uploadId).catch(() => undefined);
            }
            return admitted;
          });
        } finally {
          if (file) await rm(file.path, { force: true });
        }
      });
      const { model, source } = job.request;
      if (!replayed) {
        metrics.jobsTotal.inc({ status: 'pending' });
        if (source.sizeBytes !== null) metrics.uploadBytes.observe(source.sizeBytes);
      }
      logger.info(replayed ? 'job_replayed' : 'job_admitted', {
        job_id: job.id,
        model,
        source: source.kind,
        size_bytes: source.sizeBytes,
        audio_seconds: source.durationSeconds,
        estimated_duration: job.estimatedSeconds,
      });
      response.status(202).location(jobUrl(context.base, job.id)).json(acceptance(job, replayed));
    };
  },
});

export const stemifyRoutes = [stemify];

function chooseSong(
  file: UploadedFile | undefined,
  { youtubeUrl, sourceUrl, uploadId }: Form,
): SentSong | { uploadId: string } {
  const sent: [string, SentSong | { uploadId: string }][] = [];
  if (file) sent.push(['file', { file }]);
  if (uploadId !== undefined) sent.push(['upload_id', { uploadId }]);
  if (youtubeUrl !== undefined) {
    sent.push(['youtube_url', { link: { kind: 'youtube', url: youtubeUrl } }]);
  }
  if (sourceUrl !== undefined) {
    sent.push(['source_url', { link: { kind: 'url', url: sourceUrl } }]);
  }
  const [song, ...more] = sent;
  if (!song) {
    throw new OxboardError(
      'INVALID_OPTION',
      'The form has no song. Send a file as "file", the id of an upload as "upload_id", or a link as ' +
        '"youtube_url" or "source_url"',
    );
  }
  if (more.length > 0) {
    const names = sent.map(([name]) => `a ${name}`).join(' and ');
    throw new OxboardError('INVALID_OPTION', `The form has ${names}. Send only one of them`);
  }
  return song[1];
}

const acceptance = (job: Job, replayed: boolean): AcceptedDocument => ({
  job_id: job.id,
  status: job.status,
  estimated_duration: Math.round(job.estimatedSeconds * 10) / 10,
  message: replayed
    ? 'An earlier request with this Idempotency-Key has made this job'
    : 'The song is accepted. Follow the job at its Location or by its events',
});
