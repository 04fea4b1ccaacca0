/**
 * Names of uploaded songs and of downloads, for display. Never used in paths.
 */
import path from 'node:path';
import { songName } from '../lib/file-names.js';

const MAX_CHARACTERS = 200;

/** The name of an uploaded file, without the folders that some clients send with it. */
export function cleanFileName(name: string): string {
  return songName(path.basename(name.replaceAll('\\', '/')), MAX_CHARACTERS);
}

/** The name of what a stem of the song is saved as. */
export function downloadName(song: string, part: string, extension: string): string {
  return `${path.parse(song).name} - ${part}.${extension}`;
}
