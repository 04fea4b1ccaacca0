import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Request, Response, Router } from 'express';
import { OxboardError } from '../../errors.js';
import type { Jobs } from '../../jobs/ports.js';
import { ObjectNotFound, type Storage } from '../../storage/storage.js';
import { contextOf } from '../context.js';
import { downloadName } from '../file-names.js';
import { findResult, jobNotFound } from '../find-job.js';
import { hasAlready, requestedRange } from '../ranges.js';
import { serve } from '../routing.js';
import { sharedResource } from '../security.js';
import { zipStream } from '../zip.js';

const MEDIA_TYPES: Record<string, string> = {
  wav: 'audio/wav',
  flac: 'audio/flac',
  mp3: 'audio/mpeg',
  opus: 'audio/ogg; codecs=opus',
  m4a: 'audio/mp4',
};

/** Players ask for one range after the other at the place they were sent to: as long as a song is heard. */
const SIGNED_SECONDS = 3600;

/** The bytes of a stem never change, but it can be deleted: a copy is asked for before it is used. */
const CACHING = { 'Cache-Control': 'private, no-cache' };

export function stemRoutes(
  router: Router,
  {
    jobs,
    storage,
    redirects,
  }: {
    jobs: Jobs;
    storage: Storage;
    /** Whether clients are sent to the storage for a stem, as far as it lets them in. */
    redirects: boolean;
  },
): void {
  serve(router, '/jobs/:id/stems.zip', 'token', {
    get: [
      sharedResource(),
      async (request, response) => {
        const { job, result } = await findResult(request, jobs);
        const stems = Object.entries(result.stems);
        const hashes = stems.map(([name, { sha256 }]) => `${name} ${sha256}\n`).join('');
        const etag = `"${createHash('sha256').update(hashes).digest('hex')}"`;
        response.set({ ...CACHING, ETag: etag }).attachment(zipName(job.request.source.name));
        response.type('application/zip');
        if (hasAlready(request, etag)) {
          response.status(304).end();
          return;
        }
        const { signal } = contextOf(request);
        const { stream, sizeBytes } = await zipStream(
          stems.map(([name, stem]) => ({
            name: `${name}.${stem.format}`,
            sizeBytes: stem.sizeBytes,
            open: async () => storage.read(stem.key, undefined, signal),
          })),
          new Date(job.finishedAt ?? job.updatedAt),
        );
        response.set('Content-Length', String(sizeBytes));
        await send(request, response, stream);
      },
    ],
  });

  serve(router, '/jobs/:id/stems/:stem', 'token', {
    get: [
      sharedResource(),
      async (request, response) => {
        const { job, result } = await findResult(request, jobs);
        const name = String(request.params.stem);
        const stem = Object.hasOwn(result.stems, name) ? result.stems[name] : undefined;
        if (!stem) {
          const known = Object.keys(result.stems).join(', ');
          throw new OxboardError('STEM_NOT_FOUND', `The job has no such stem. It has: ${known}`);
        }
        const etag = `"${stem.sha256}"`;
        response
          .set({ ...CACHING, ETag: etag, 'Accept-Ranges': 'bytes' })
          .attachment(downloadName(job.request.source.name, name, stem.format))
          .set('Content-Type', MEDIA_TYPES[stem.format] ?? 'application/octet-stream');
        if (hasAlready(request, etag)) {
          response.status(304).end();
          return;
        }
        if (redirects && storage.signedUrl && request.method === 'GET') {
          const url = await storage.signedUrl(stem.key, {
            contentType: String(response.get('Content-Type')),
            contentDisposition: String(response.get('Content-Disposition')),
            cacheControl: CACHING['Cache-Control'],
            seconds: SIGNED_SECONDS,
          });
          redirect(response, url);
          return;
        }
        const size = stem.sizeBytes;
        const range = requestedRange(request, size, etag);
        if (range === 'unsatisfiable') {
          response.set('Content-Range', `bytes */${String(size)}`);
          throw new OxboardError(
            'RANGE_NOT_SATISFIABLE',
            `The stem has ${String(size)} bytes, and none in that range`,
          );
        }
        const { start, end } = range ?? { start: 0, end: size - 1 };
        if (range) {
          response
            .status(206)
            .set('Content-Range', `bytes ${String(start)}-${String(end)}/${String(size)}`);
        }
        response.set('Content-Length', String(end - start + 1));
        if (request.method === 'HEAD') {
          response.end();
          return;
        }
        const stream = await storage
          .read(stem.key, range, contextOf(request).signal)
          .catch((error: unknown) => {
            // Removed in the moment between.
            throw error instanceof ObjectNotFound ? jobNotFound() : error;
          });
        await send(request, response, stream);
      },
    ],
  });
}

/** What it says of the stem itself is the storage's to say. */
function redirect(response: Response, url: string): void {
  for (const name of ['Content-Type', 'Content-Disposition', 'ETag', 'Accept-Ranges'])
    response.removeHeader(name);
  response.set({ Location: url, 'Cache-Control': 'no-store' }).status(307).end();
}

const zipName = (song: string): string => downloadName(song, 'stems', 'zip');

async function send(request: Request, response: Response, stream: Readable): Promise<void> {
  if (request.method === 'HEAD') {
    stream.destroy();
    response.end();
    return;
  }
  try {
    await pipeline(stream, response);
  } catch (error) {
    // One who stops listening to a song is no error.
    if (!contextOf(request).signal.aborted) throw error;
  }
}
