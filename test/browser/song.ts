/**
 * Songs for the page: the bundled example, which the embedded model knows how to separate.
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ffmpeg } from '../support/audio.js';

const STEMS = ['drums', 'bass', 'other', 'vocals'].map((name) =>
  fileURLToPath(new URL(`../../scripts/example/${name}.opus`, import.meta.url)),
);

/** Writes the example as a song of so many seconds. */
export function exampleSong(folder: string, name: string, seconds: number): string {
  const file = path.join(folder, name);
  ffmpeg(
    ...STEMS.flatMap((stem) => ['-stream_loop', '-1', '-i', stem]),
    ...['-filter_complex', `amix=inputs=${String(STEMS.length)}:normalize=0:duration=shortest`],
    ...['-t', String(seconds), file],
  );
  return file;
}
