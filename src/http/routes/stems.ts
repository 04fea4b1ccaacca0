/**
 * The audio of completed jobs: one stem, or all of them as an archive.
 */
import type { Response } from 'express';
import { z } from 'zod';
import { sha256Hex } from '../../lib/hash.js';
import { OxboardError } from '../../errors.js';
import type { Job, JobResult } from '../../jobs/job.js';
import type { Storage } from '../../storage/storage.js';
import {
  binary,
  CACHING,
  conditionalHeaders,
  downloadName,
  fileHeaders,
  isUnchanged,
  NOT_MODIFIED,
  rangeHeaders,
  send,
  sendFile,
} from '../file-response.js';
import { findResult, jobPath, ofJob } from '../find-job.js';
import { defineRoute, header } from '../route.js';
import { sharedResource } from '../browser-headers.js';
import { zipStream } from '../zip.js';

const MEDIA_TYPES: Record<string, string> = {
  wav: 'audio/wav',
  flac: 'audio/flac',
  mp3: 'audio/mpeg',
  opus: 'audio/ogg; codecs=opus',
  m4a: 'audio/mp4',
};

/** Players request one range after the other at the signed URL, while a song is played. */
const SIGNED_URL_SECONDS = 3600;

const AUDIO = binary(...Object.values(MEDIA_TYPES));

const getStem = defineRoute({
  method: 'get',
  url: '/jobs/:id/stems/:stem',
  access: 'token',
  tag: 'Stems',
  operationId: 'getStem',
  summary: 'Get a stem.',
  description: 'One range of bytes can be requested. The URL is in the document of the job.',
  ...ofJob,
  path: jobPath.extend({
    stem: z.string().meta({ description: 'Name of the stem.', examples: ['vocals'] }),
  }),
  headers: rangeHeaders,
  responses: {
    '200': { description: 'The whole file.', headers: fileHeaders, content: AUDIO },
    '206': {
      description: 'The range that was requested.',
      headers: fileHeaders.extend({ 'Content-Range': header('Which bytes these are.') }),
      content: AUDIO,
    },
    '304': NOT_MODIFIED,
    '307': {
      description: 'With STORAGE_DOWNLOADS=redirect: the file is at the Location for an hour.',
      headers: z.object({ Location: header('A signed URL of the storage.') }),
    },
  },
  errors: [
    'JOB_NOT_FOUND',
    'STEM_NOT_FOUND',
    'JOB_NOT_COMPLETED',
    'RANGE_NOT_SATISFIABLE',
    'REDIS_UNAVAILABLE',
    'STORAGE_UNAVAILABLE',
  ],
  middleware: () => [sharedResource()],
  handler:
    ({ jobs, storage, redirects }) =>
    async ({ request, response, context, path: { id, stem: name } }) => {
      const { job, result } = await findResult(id, context, jobs);
      const stem = Object.hasOwn(result.stems, name) ? result.stems[name] : undefined;
      if (!stem) {
        const known = Object.keys(result.stems).join(', ');
        throw new OxboardError('STEM_NOT_FOUND', `The job has no such stem. It has: ${known}`);
      }
      const etag = `"${stem.sha256}"`;
      response
        .set(CACHING)
        .attachment(downloadName(job, name, stem.format))
        .set('Content-Type', MEDIA_TYPES[stem.format] ?? 'application/octet-stream');
      if (
        redirects &&
        storage.signedUrl &&
        request.method === 'GET' &&
        !isUnchanged(request, etag)
      ) {
        const url = await storage.signedUrl(stem.key, {
          contentType: String(response.get('Content-Type')),
          contentDisposition: String(response.get('Content-Disposition')),
          cacheControl: CACHING['Cache-Control'],
          seconds: SIGNED_URL_SECONDS,
        });
        redirect(response, url);
        return;
      }
      await sendFile(request, response, context, {
        etag,
        sizeBytes: stem.sizeBytes,
        open: (range) => storage.read(stem.key, range, context.signal),
      });
    },
});

const getStems = defineRoute({
  method: 'get',
  url: '/jobs/:id/stems.zip',
  access: 'token',
  tag: 'Stems',
  operationId: 'getStems',
  summary: 'Get all stems as a ZIP archive.',
  description: 'The archive is made while it is sent. The stems in it are not compressed.',
  ...ofJob,
  headers: conditionalHeaders,
  responses: {
    '200': {
      description: 'The archive.',
      headers: fileHeaders,
      content: binary('application/zip'),
    },
    '304': NOT_MODIFIED,
  },
  errors: ['JOB_NOT_FOUND', 'JOB_NOT_COMPLETED', 'REDIS_UNAVAILABLE', 'STORAGE_UNAVAILABLE'],
  middleware: () => [sharedResource()],
  handler:
    ({ jobs, storage }) =>
    async ({ request, response, context, path: { id } }) => {
      const { job, result } = await findResult(id, context, jobs);
      const etag = zipEtag(result);
      response.set({ ...CACHING, ETag: etag }).attachment(downloadName(job, 'stems', 'zip'));
      response.type('application/zip');
      if (isUnchanged(request, etag)) {
        response.status(304).end();
        return;
      }
      const { stream, sizeBytes } = await openZip(job, result, storage, context.signal);
      response.set('Content-Length', String(sizeBytes));
      if (request.method === 'HEAD') {
        stream.destroy();
        response.end();
        return;
      }
      await send(response, stream, context);
    },
});

export const stemRoutes = [getStems, getStem];

/** The headers about the stem are sent by the storage. */
function redirect(response: Response, url: string): void {
  for (const name of ['Content-Type', 'Content-Disposition', 'ETag', 'Accept-Ranges'])
    response.removeHeader(name);
  response.set({ Location: url, 'Cache-Control': 'no-store' }).status(307).end();
}

function zipEtag({ stems }: JobResult): string {
  const lines = Object.entries(stems).map(([name, { sha256 }]) => `${name} ${sha256}\n`);
  return `"${sha256Hex(lines.join(''))}"`;
}

const openZip = async (job: Job, { stems }: JobResult, storage: Storage, signal: AbortSignal) =>
  zipStream(
    Object.entries(stems).map(([name, stem]) => ({
      name: downloadName(job, name, stem.format),
      sizeBytes: stem.sizeBytes,
      open: async () => storage.read(stem.key, undefined, signal),
    })),
    new Date(job.finishedAt ?? job.updatedAt),
  );
