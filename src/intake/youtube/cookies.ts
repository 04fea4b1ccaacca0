/**
 * Cookies of an account of the operator's, for yt-dlp. What is in them is in no message: yt-dlp would
 * quote a line that it cannot read, so it gets none.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { OxboardError } from '../../errors.js';

/** The first line, without which yt-dlp takes no file. */
const HEADER = /^#( Netscape)? HTTP Cookie File/;
/** Stands before a cookie, though it looks like a comment. */
const HTTP_ONLY = /^#HttpOnly_/;
/** Domain, whether it includes subdomains, path, whether https only, end, name and value. */
const COOKIE =
  /^(\.[^\t]*\tTRUE|[^.\t][^\t]*\tFALSE)\t[^\t]*\t[^\t]*\t(\d+(\.\d+)?)?\t[^\t]*\t[^\t]*$/;

/**
 * Reads YOUTUBE_COOKIES_FILE.
 *
 * @throws OxboardError INVALID_ENVIRONMENT when it cannot be read, or is not in the format of Netscape.
 */
export async function readCookies(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw wrong(file, `cannot be read (${code})`);
  });
  const lines = text.split(/\r?\n/);
  if (!HEADER.test(lines[0] ?? '')) {
    throw wrong(file, 'does not begin with the line "# Netscape HTTP Cookie File"');
  }
  const at = lines.findIndex((line) => {
    const cookie = line.replace(HTTP_ONLY, '');
    return cookie.trim() !== '' && !cookie.startsWith('#') && !COOKIE.test(cookie);
  });
  if (at === -1) return text;
  throw wrong(file, `has no cookie in the format of Netscape in line ${String(at + 1)}`);
}

/** Copies the file into `directory`: yt-dlp writes to the one that it gets. @returns the copy's path. */
export async function copyCookies(file: string, directory: string): Promise<string> {
  const copy = path.join(directory, 'cookies.txt');
  await writeFile(copy, await readCookies(file), { mode: 0o600 });
  return copy;
}

const wrong = (file: string, what: string): OxboardError =>
  new OxboardError(
    'INVALID_ENVIRONMENT',
    `YOUTUBE_COOKIES_FILE, ${file}, ${what}. Export the cookies of a browser again, as "cookies.txt"`,
  );
