/**
 * Names that clients give to songs, for people: in tags, lists and names of downloads. Never in paths.
 */
import path from 'node:path';

const LONGEST = 200;

/** A name in one line, without folders, control characters and turns of the writing direction. */
export function cleanFileName(name: string): string {
  const clean = path
    .basename(name.toWellFormed().replaceAll('\\', '/'))
    .replaceAll(/[\p{Cc}\u2028-\u202e\u2066-\u2069\ufffd]/gu, '_')
    .trim();
  if (/^\.*$/.test(clean)) return 'song';
  return Array.from(clean).slice(0, LONGEST).join('');
}

/** The name of what a stem of the song is saved as. */
export function downloadName(song: string, part: string, extension: string): string {
  return `${path.parse(song).name} - ${part}.${extension}`;
}
