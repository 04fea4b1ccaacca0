/**
 * The multipart body of POST /stemify: one file, streamed to the disk, and some short fields.
 */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { Request, Response } from 'express';
import multer, { type MulterError } from 'multer';
import { OxboardError } from '../errors.js';
import { songName } from '../lib/file-names.js';
import type { IncomingFile, IncomingFolder } from './incoming-folder.js';
import { watchBody, type UploadPace } from './upload-pace.js';

export interface UploadedFile extends IncomingFile {
  /** The client's name for it: for display, tags and names of downloads, never for a path. */
  name: string;
}

export interface Upload {
  file: UploadedFile | undefined;
  /** Texts; arrays of texts for names that came more than once. */
  fields: Record<string, unknown>;
}

export interface UploadSettings {
  folder: IncomingFolder;
  /** Bytes of the file. */
  maxFileSize: number;
  pace: UploadPace;
}

const LIMITS = {
  files: 1,
  fields: 32,
  parts: 33,
  fieldNameSize: 100,
  fieldSize: 4096,
  fieldNestingDepth: 0,
  headerPairs: 32,
};
/** What fields, boundaries and headers of parts can add to the file. */
const FORM_BYTES = 256 * 1024;
const MAX_NAME_CHARACTERS = 200;

/** The checks that need no byte of the body. @throws OxboardError MEDIA_TYPE_UNSUPPORTED, FILE_TOO_LARGE */
export function checkUploadHeaders(request: Request, maxFileSize: number): void {
  if (!request.is('multipart/form-data')) {
    throw new OxboardError(
      'MEDIA_TYPE_UNSUPPORTED',
      'The body has to be multipart/form-data with the song as its field "file"',
    );
  }
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') {
    throw new OxboardError(
      'MEDIA_TYPE_UNSUPPORTED',
      `The body has the Content-Encoding ${JSON.stringify(encoding.slice(0, 100))}. ` +
        'This service takes bodies without one',
    );
  }
  const length = Number(request.headers['content-length'] ?? 0);
  if (length > maxFileSize + FORM_BYTES) throw tooLarge(maxFileSize);
}

/**
 * Receives the body. The caller removes the file; when this fails, nothing is left.
 *
 * @throws OxboardError ABORTED when the client is gone.
 */
export async function receiveUpload(
  request: Request,
  response: Response,
  { folder, maxFileSize, pace }: UploadSettings,
): Promise<Upload> {
  await folder.requireSpace(Number(request.headers['content-length'] ?? maxFileSize));
  if (request.headers.expect !== undefined) response.writeContinue();

  let receiving: Promise<IncomingFile> | undefined;
  try {
    return await new Promise<Upload>((resolve, reject) => {
      let cancel = (_error: Error): void => undefined;
      const storage: multer.StorageEngine = {
        _handleFile(_request, file, done) {
          // multer reports a file that is too large only after the whole body.
          file.stream.once('limit', () => fail(tooLarge(maxFileSize)));
          cancel = (error) => file.stream.destroy(error);
          receiving = folder.receive(file.stream);
          receiving.then((received) => done(null, received), done);
        },
        _removeFile(_request, _file, done) {
          // The caller removes it, also when multer refuses the rest of the body.
          done(null);
        },
      };
      const stopWatching = watchBody(
        request,
        { pace, maxBytes: maxFileSize + FORM_BYTES },
        (failure) => fail(failure === 'too large' ? tooLarge(maxFileSize) : failure),
      );
      const fail = (error: Error) => {
        stopWatching();
        request.unpipe();
        cancel(error);
        reject(error);
      };
      multer({
        storage,
        limits: { ...LIMITS, fileSize: maxFileSize },
        defParamCharset: 'utf8',
        // Else a name such as ".." becomes empty, and the part no file.
        preservePath: true,
      }).single('file')(request, response, (error: unknown) => {
        stopWatching();
        if (error !== undefined && error !== null) {
          reject(explain(error, request, maxFileSize));
          return;
        }
        const { file } = request;
        resolve({
          file: file && {
            ...(file as unknown as IncomingFile),
            name: cleanName(file.originalname),
          },
          fields: { ...(request.body as Record<string, unknown>) },
        });
      });
    });
  } catch (error) {
    const received = await receiving?.catch(() => undefined);
    if (received) await rm(received.path, { force: true });
    throw error;
  }
}

/** A client's name of a file, for display. */
export const cleanName = (name: string): string =>
  songName(withoutFolders(name), MAX_NAME_CHARACTERS);

/**
 * Some clients send the path of the file as its name. A backslash separates folders only in a path of
 * Windows; elsewhere it may be part of the name, as in "AC\\DC".
 */
const withoutFolders = (name: string): string =>
  /^([a-z]:|\\\\)/i.test(name) ? path.win32.basename(name) : path.posix.basename(name);

export function tooLarge(maxFileSize: number): OxboardError {
  return new OxboardError(
    'FILE_TOO_LARGE',
    `The file is larger than this service takes: ${String(maxFileSize)} bytes ` +
      `(${(maxFileSize / 2 ** 20).toFixed(1)} MiB)`,
  );
}

const REFUSALS: Record<string, string> = {
  LIMIT_UNEXPECTED_FILE: 'One file is taken, in the field "file"',
  LIMIT_FILE_COUNT: 'One file is taken, in the field "file"',
  LIMIT_FIELD_COUNT: `More than ${String(LIMITS.fields)} fields`,
  LIMIT_PART_COUNT: `More than ${String(LIMITS.parts)} parts`,
  LIMIT_FIELD_KEY: `A field has a name longer than ${String(LIMITS.fieldNameSize)} bytes`,
  LIMIT_FIELD_VALUE: `A field is longer than ${String(LIMITS.fieldSize)} bytes`,
  LIMIT_FIELD_NESTING: 'Names of fields have no brackets',
  MISSING_FIELD_NAME: 'A part has no name',
  INVALID_FIELD_NAME: 'A field has an impossible name',
};

function explain(error: unknown, request: Request, maxFileSize: number): Error {
  if (error instanceof OxboardError) return error;
  if (!(error instanceof Error)) return new Error(String(error));
  if (request.destroyed && !request.complete) {
    return new OxboardError('ABORTED', 'The client ended the upload', { cause: error });
  }
  const { code } = error as Partial<MulterError>;
  if (code === 'LIMIT_FILE_SIZE') return tooLarge(maxFileSize);
  // Errors of the file system have numbers; busboy's errors about the body have none.
  if ('errno' in error) return error;
  const words = (code === undefined ? undefined : REFUSALS[code]) ?? error.message;
  return new OxboardError('REQUEST_INVALID', `The form is malformed: ${words}`, { cause: error });
}
