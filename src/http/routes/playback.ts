/**
 * What a player needs of a job, also while it runs: chunks of its stems, and peaks for waveforms.
 */
import { arrayBuffer } from 'node:stream/consumers';
import { z } from 'zod';
import { BYTES_PER_PIXEL, FRAMES_PER_PIXEL, pixelCount } from '../../audio/chunk-format.js';
import { bytesOf } from '../../audio/pcm.js';
import { OxboardError } from '../../errors.js';
import { isFinished, type Job, type Playback } from '../../jobs/job.js';
import { chunkKey, peaksKey } from '../../jobs/record.js';
import { ObjectNotFound } from '../../storage/storage.js';
import { binary, etagHeader, NOT_MODIFIED, rangeHeaders, sendFile } from '../file-response.js';
import { findJob, jobNotFound, jobPath, ofJob } from '../find-job.js';
import { playableOf, type Playable } from '../playable.js';
import { defineRoute, header } from '../route.js';
import { sharedResource } from '../browser-headers.js';

const playablePath = jobPath.extend({
  stem: z.string().meta({
    description: 'Name of a stem of the playback.',
    examples: ['vocals', 'mixture'],
  }),
});

const generationQuery = z.object({
  generation: z.coerce
    .number()
    .int()
    .min(1)
    .optional()
    .meta({ description: 'The generation of the playback; any other is gone.', examples: [1] }),
});

/** A URL that names the generation has these bytes or none. */
const IMMUTABLE = { 'Cache-Control': 'private, max-age=31536000, immutable' };
const CHANGING = { 'Cache-Control': 'private, no-cache' };

const getChunk = defineRoute({
  method: 'get',
  url: '/jobs/:id/stems/:stem/chunks/:number',
  access: 'token',
  tag: 'Stems',
  operationId: 'getChunk',
  summary: 'Get a chunk of a stem.',
  description:
    '24-bit FLAC of `chunk_frames` frames, the last one shorter, before the clip mode and multiplied ' +
    'by `scale`. Chunks are published while the job runs and kept with its result. The URL is in ' +
    'the playback of the job.',
  ...ofJob,
  path: playablePath.extend({
    number: z.string().meta({ description: 'Number of the chunk, from 0 on.', examples: ['0'] }),
  }),
  query: generationQuery,
  headers: rangeHeaders,
  responses: {
    '200': { description: 'The chunk.', headers: etagHeader, content: binary('audio/flac') },
    '206': {
      description: 'The range that was requested.',
      headers: etagHeader.extend({ 'Content-Range': header('Which bytes these are.') }),
      content: binary('audio/flac'),
    },
    '304': NOT_MODIFIED,
  },
  errors: [
    'JOB_NOT_FOUND',
    'STEM_NOT_FOUND',
    'CHUNK_NOT_READY',
    'CHUNK_NOT_FOUND',
    'RANGE_NOT_SATISFIABLE',
    'REDIS_UNAVAILABLE',
    'STORAGE_UNAVAILABLE',
  ],
  middleware: () => [sharedResource()],
  handler:
    ({ jobs, storage }) =>
    async ({ request, response, context, path: { id, stem, number: given }, query }) => {
      const job = await findJob(id, context, jobs);
      const number = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN;
      const { playback, chunksReady, resultId } = findPlayable(job, stem, query.generation);
      if (!(number < (playback.chunks ?? Infinity))) {
        throw new OxboardError('CHUNK_NOT_FOUND', 'The stem has no such chunk');
      }
      if (number >= chunksReady) throw notReady();
      const key = chunkKey(resultId, stem, number);
      const object = await storage.stat(key);
      if (!object) throw jobNotFound();
      response
        .set(query.generation === undefined ? CHANGING : IMMUTABLE)
        .set('Content-Type', 'audio/flac');
      await sendFile(request, response, context, {
        etag: `"${resultId}-${String(number)}"`,
        sizeBytes: object.sizeBytes,
        open: (range) => storage.read(key, range, context.signal),
      });
    },
});

const JSON_TYPE = 'application/json';
const BINARY_TYPE = 'application/octet-stream';

/** Layout of audiowaveform's JSON; the header of its binary form has the same fields. */
const peaksDocument = z
  .object({
    version: z.literal(2),
    channels: z.int().meta({ description: '1: the peaks are those of all channels.' }),
    sample_rate: z.int().meta({ description: 'Sample rate of the stem in Hz.' }),
    samples_per_pixel: z.int().meta({ description: 'Sample frames of a pixel.' }),
    bits: z.literal(8).meta({ description: 'Bits of a sample.' }),
    length: z.int().min(0).meta({ description: 'Number of pixels.' }),
    data: z
      .array(z.int().min(-128).max(127))
      .meta({ description: 'Lowest and highest sample of each pixel.' }),
  })
  .meta({ id: 'Peaks' });

const getPeaks = defineRoute({
  method: 'get',
  url: '/jobs/:id/stems/:stem/peaks',
  access: 'token',
  tag: 'Stems',
  operationId: 'getPeaks',
  summary: 'Get the peaks of a stem for its waveform.',
  description:
    'audiowaveform data (version 2, 8 bit, 256 samples a pixel, multiplied by `scale`) of what is ' +
    'published so far, from a pixel on; binary, or JSON by the Accept header.',
  ...ofJob,
  path: playablePath,
  query: generationQuery.extend({
    from: z.coerce
      .number()
      .int()
      .min(0)
      .max(2 ** 40)
      .default(0)
      .meta({ description: 'The first pixel of the answer.', examples: [0] }),
  }),
  responses: {
    '200': {
      description: 'The peaks; no pixel when there is none from there on yet.',
      content: {
        ...binary(BINARY_TYPE),
        [JSON_TYPE]: {
          schema: peaksDocument,
          example: {
            version: 2,
            channels: 1,
            sample_rate: 44_100,
            samples_per_pixel: 256,
            bits: 8,
            length: 2,
            data: [-4, 5, -12, 9],
          },
        },
      },
    },
  },
  errors: [
    'JOB_NOT_FOUND',
    'STEM_NOT_FOUND',
    'CHUNK_NOT_READY',
    'CHUNK_NOT_FOUND',
    'REDIS_UNAVAILABLE',
    'STORAGE_UNAVAILABLE',
  ],
  middleware: () => [sharedResource()],
  handler:
    ({ jobs, storage }) =>
    async ({ request, response, context, path: { id, stem }, query: { from, generation } }) => {
      const job = await findJob(id, context, jobs);
      const playable = findPlayable(job, stem, generation);
      const { playback, resultId } = playable;
      const length = Math.max(0, pixelsReady(playable) - from);
      const rowBytes = playback.stems.length * BYTES_PER_PIXEL;
      const range = { start: from * rowBytes, end: (from + length) * rowBytes - 1 };
      const rows =
        length === 0
          ? new ArrayBuffer(0)
          : await storage.read(peaksKey(resultId), range, context.signal).then(
              (stream) => arrayBuffer(stream),
              (error: unknown) => {
                // It was removed a moment ago.
                throw error instanceof ObjectNotFound ? jobNotFound() : error;
              },
            );
      const data = columnOf(new Int8Array(rows), playback.stems.indexOf(stem), rowBytes);
      response.set('Cache-Control', 'no-store').vary('Accept');
      if (request.accepts([BINARY_TYPE, JSON_TYPE]) === JSON_TYPE) {
        const document: z.output<typeof peaksDocument> = {
          version: 2,
          channels: 1,
          sample_rate: playback.sampleRate,
          samples_per_pixel: FRAMES_PER_PIXEL,
          bits: 8,
          length,
          data: [...data],
        };
        response.json(document);
      } else {
        response.type(BINARY_TYPE).send(Buffer.concat([headerOf(playback, length), bytesOf(data)]));
      }
    },
});

export const playbackRoutes = [getChunk, getPeaks];

/** @throws OxboardError CHUNK_NOT_READY, CHUNK_NOT_FOUND, STEM_NOT_FOUND */
function findPlayable(job: Job, stem: string, generation: number | undefined): Playable {
  const playable = playableOf(job);
  if (!playable) {
    if (!isFinished(job)) throw notReady();
    throw new OxboardError(
      'CHUNK_NOT_FOUND',
      `The job is ${job.status}, and its chunks are removed`,
    );
  }
  const { playback } = playable;
  if (generation !== undefined && generation !== playback.generation) {
    throw new OxboardError(
      'CHUNK_NOT_FOUND',
      `The job has begun anew: its generation is ${String(playback.generation)}`,
    );
  }
  if (!playback.stems.includes(stem)) {
    const known = playback.stems.join(', ');
    throw new OxboardError('STEM_NOT_FOUND', `The job has no such stem. It has: ${known}`);
  }
  return playable;
}

const notReady = (): OxboardError =>
  new OxboardError('CHUNK_NOT_READY', 'The chunk is not separated yet. Try again later');

const pixelsReady = ({ playback: { frames }, chunksReady }: Playable): number =>
  frames === null ? 0 : pixelCount(chunksReady, frames);

function columnOf(rows: Int8Array, column: number, rowBytes: number): Int8Array {
  const pixels = rows.length / rowBytes;
  const data = new Int8Array(pixels * BYTES_PER_PIXEL);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const at = pixel * rowBytes + column * BYTES_PER_PIXEL;
    data.set(rows.subarray(at, at + BYTES_PER_PIXEL), pixel * BYTES_PER_PIXEL);
  }
  return data;
}

/** The header of audiowaveform's binary form: little-endian, 32 bits each. */
function headerOf({ sampleRate }: Playback, length: number): Uint8Array {
  const version = 2;
  const flags = 1; // 8 bits
  const channels = 1;
  return new Uint8Array(
    Int32Array.of(version, flags, sampleRate, FRAMES_PER_PIXEL, length, channels).buffer,
  );
}
