/**
 * Names from outside (uploads, titles, paths of songs), made fit for paths and for display.
 */

/** Control characters, broken letters (lone surrogates) and separators of paths. */
const UNSAFE = /[\p{Cc}\p{Cs}/\\]/gu;
/** Line separators, controls of the writing direction, and what stands for a broken letter. */
const MISLEADING = /[\u2028-\u202e\u2066-\u2069\ufffd]/gu;

/** A name that is one part of a path. It may be empty, but is never `.` or `..`. */
export function pathPart(name: string): string {
  const clean = name.replaceAll(UNSAFE, '_');
  return /^\.{1,2}$/.test(clean) ? '_' : clean;
}

/**
 * The name of a song for display, in one line: in tags, lists and names of downloads.
 *
 * @param maxCharacters what is longer is cut.
 * @returns "song" when nothing but dots and spaces is left.
 */
export function songName(name: string, maxCharacters: number): string {
  const clean = name.replaceAll(UNSAFE, '_').replaceAll(MISLEADING, '_').trim();
  return /^\.*$/.test(clean) ? 'song' : Array.from(clean).slice(0, maxCharacters).join('');
}
