/**
 * Names from outside (uploads, titles, paths of songs), made fit for paths and for display.
 */

import path from 'node:path';

/** Control characters, broken letters (lone surrogates) and separators of paths. */
const UNSAFE = /[\p{Cc}\p{Cs}/\\]/gu;
/** Line separators, controls of the writing direction, and what stands for a broken letter. */
const MISLEADING = /[\u2028-\u202e\u2066-\u2069\ufffd]/gu;

/** What exFAT and Windows shares do not have in names. */
const NOT_PORTABLE = /[?:*"<>|]|[. ]+$/g;

/** Extensions of audio and video files. What follows the last dot of another name is part of it. */
const MEDIA_EXTENSIONS = new Set(
  (
    '3g2 3ga 3gp aac aax ac3 adts aif aifc aiff alac amr ape asf au avi caf dff divx dsf dss dts eac3 ec3 ' +
    'f4a f4v flac flv gsm kar la latm loas m1a m2a m2ts m2v m4a m4b m4r m4v mid mka mkv mlp mov mp1 mp2 ' +
    'mp3 mp4 mpa mpc mpeg mpg mpga mts mxf nut oga ogg ogm ogv ogx oma opus pcm qt ra ram raw rf64 rm ' +
    'rmvb shn snd spx swf tak thd tta ts vob voc vqf w64 wav wave weba webm wma wmv wtv wv xa'
  ).split(' '),
);

/** Whether a name ends as those of audio and video files do. */
export const isMediaName = (fileName: string): boolean =>
  MEDIA_EXTENSIONS.has(path.extname(fileName).slice(1).toLowerCase());

/** The name of a file without the extension of its kind: `St. Anger` stays as it is. */
export function withoutExtension(fileName: string): string {
  const { name, ext } = path.parse(fileName);
  return isMediaName(fileName) ? name : `${name}${ext}`;
}

/** A part of a path as file systems take it that have fewer characters than Unix. */
export const portablePart = (part: string): string =>
  part.replaceAll(NOT_PORTABLE, (found) => '_'.repeat(found.length));

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
