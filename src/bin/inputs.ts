/**
 * From the inputs of a command line to files: folders, and patterns that no shell has expanded.
 */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { OxboardError } from '../errors.js';
import { displayPath } from '../lib/display-path.js';
import { isMediaName } from '../lib/file-names.js';

export const isLink = (input: string): boolean => /^https?:\/\//i.test(input);

/** The input that stands for standard input. */
export const STANDARD_INPUT = '-';

export interface InputFile {
  file: string;
  /** Where it lies below the folder that was searched, between slashes; empty in the folder itself. */
  folder: string;
}

/**
 * The files that an input means, in the order of their names. A name without a file is given back as
 * it is: what reads it says what is wrong.
 *
 * @param recursive whether folders are searched with those below them.
 * @param out the output folder, which is not searched: stems are no songs.
 * @throws OxboardError INPUT_NOT_FOUND for a link, and for a folder or a pattern without files.
 */
export async function filesOf(
  input: string,
  { recursive, out }: { recursive: boolean; out: string },
): Promise<InputFile[]> {
  const itself = [{ file: input, folder: '' }];
  if (input === STANDARD_INPUT) return itself;
  const status = await stat(input).catch(() => undefined);
  if (status?.isDirectory()) {
    const files = await search(input, recursive ? '**' : '*', out);
    if (files.length > 0) {
      return files.map((file) => ({
        file: path.join(input, file),
        folder: file.split('/').slice(0, -1).join('/'),
      }));
    }
    const hint = recursive ? '' : '. -r searches the folders below it too';
    throw notFound(`${displayPath(input)} has no audio files${hint}`);
  }
  if (status) return itself;
  if (isLink(input)) {
    throw notFound(
      `${displayPath(input)} is a link. Download it first; "oxboard serve" takes links to YouTube`,
    );
  }
  if (!isDynamicPattern(input)) return itself;
  const files = await search('.', input, out);
  if (files.length > 0) return files.map((file) => ({ file, folder: '' }));
  throw notFound(`No file fits ${displayPath(input)}`);
}

async function search(folder: string, pattern: string, out: string): Promise<string[]> {
  const output = path.resolve(out) + path.sep;
  const absolute = path.isAbsolute(pattern);
  const found = await glob(pattern, { cwd: folder, absolute, expandDirectories: false });
  return found
    .filter((file) => isMediaName(file) && !path.resolve(folder, file).startsWith(output))
    .sort();
}

const notFound = (message: string) => new OxboardError('INPUT_NOT_FOUND', message);
