/**
 * What a link comes to, whatever fetched it.
 */
import { OxboardError } from '../errors.js';

export interface FetchedSong {
  path: string;
  /** The name of a file: title and extension. */
  name: string;
}

export interface FetchOptions {
  /** An empty folder for this call. */
  directory: string;
  signal: AbortSignal;
  /** @param fraction of the download, from 0 to 1. */
  onProgress: (fraction: number) => void;
}

/** The name of the file in the folder of a call. */
export const FILE_NAME = 'song';

export const MAX_NAME_CHARACTERS = 200;

export const tooLarge = (maxFileSize: number): OxboardError =>
  new OxboardError(
    'FILE_TOO_LARGE',
    `The audio behind the link is larger than this service takes: ${String(maxFileSize)} bytes`,
  );
