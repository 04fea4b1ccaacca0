/**
 * Where the files of a song go.
 */
import path from 'node:path';
import { OxboardError } from '../errors.js';
import { displayPath } from '../lib/display-path.js';
import type { ResolvedOutputOptions } from '../options.js';
import { recordTemplate, sameFileKey, stemPath, trackName } from './output-names.js';

export interface PlacesRequest {
  /** Path of the song; its stems bear its name. */
  input: string;
  /** See stemPath. */
  folder?: string | undefined;
  output: Pick<ResolvedOutputOptions, 'out' | 'filename' | 'format'>;
  model: string;
  /** Names. */
  stems: readonly string[];
  /** Files that earlier songs of the same run have taken; see sameFileKey. */
  taken?: ReadonlySet<string> | undefined;
  /** See stemPath. */
  portable: boolean;
}

export interface Places {
  /** In the order of the names. */
  stems: string[];
  /** Of the record that says how the stems were made. */
  record: string;
}

/**
 * Songs of one name in one run are told apart as "song", "song (2)".
 *
 * @throws OxboardError OUTPUT_UNWRITABLE where the template leaves no room for that.
 */
export function outputPlaces(request: PlacesRequest): Places {
  const { input, output, taken } = request;
  const track = trackName(input);
  const clashOf = (places: Places) => places.stems.find((place) => taken?.has(sameFileKey(place)));

  const first = placesOf(request, track);
  let places = first;
  for (let copy = 2; clashOf(places) !== undefined; copy++) {
    const next = placesOf(request, `${track} (${String(copy)})`);
    // The template has no {track}, or the name is cut before its number.
    if (next.stems[0] === places.stems[0]) {
      throw new OxboardError(
        'OUTPUT_UNWRITABLE',
        `${displayPath(input)} would overwrite ` +
          `${displayPath(clashOf(first) ?? output.out)} of an earlier input. ` +
          'Give it another --out or --filename',
      );
    }
    places = next;
  }
  return places;
}

function placesOf(request: PlacesRequest, track: string): Places {
  const { output, model, stems, folder, portable } = request;
  const place = (template: string, stem: string) =>
    path.join(
      output.out,
      stemPath(template, { folder, track, model, stem, ext: output.format }, portable),
    );
  return {
    stems: stems.map((stem) => place(output.filename, stem)),
    record: place(recordTemplate(output.filename), stems[0] ?? ''),
  };
}
