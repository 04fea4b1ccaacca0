/**
 * A record beside the stems of a song that says how they were made, so that a later run can tell
 * whether the song is done.
 */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { sha256OfFile } from '../lib/hash.js';
import type { ResolvedOutputOptions } from '../options.js';
import type { Places } from './places.js';

const factsSchema = z.object({
  /** SHA-256 of the song's file. */
  song: z.string(),
  /** Hash of the model. */
  model: z.string(),
  /** As far as they were given; a seed that was drawn is not among them. */
  options: z.record(z.string(), z.unknown()),
});
const recordSchema = factsSchema.extend({
  /** By the names of the files, relative to the record's folder; each with its size in bytes. */
  files: z.record(z.string(), z.int()),
});

/** What decides how the stems of a song sound. */
export type RecordFacts = z.output<typeof factsSchema>;

/** @throws the file system's error; `signal.reason` */
export async function recordFacts(
  song: string,
  modelHash: string,
  { output, options }: { output: ResolvedOutputOptions; options: object },
  signal?: AbortSignal,
): Promise<RecordFacts> {
  const { out: _out, filename: _filename, allowDamaged: _allowed, ...written } = output;
  return {
    song: await sha256OfFile(song, { signal }),
    model: modelHash,
    // As it comes back from the file.
    options: JSON.parse(JSON.stringify({ ...written, ...options })) as Record<string, unknown>,
  };
}

/** @param sizes of the stems in bytes. */
export function makeRecord(facts: RecordFacts, places: Places, sizes: readonly number[]): string {
  const names = namesOf(places);
  const files = Object.fromEntries(names.map((name, index) => [name, sizes[index]]));
  return `${JSON.stringify({ ...facts, files }, undefined, 2)}\n`;
}

/** Whether stems that were made in the same way are at these places, whole. */
export async function isDone(facts: RecordFacts, places: Places): Promise<boolean> {
  const text = await readFile(places.record, 'utf8').catch(() => '{}');
  const record = recordSchema.safeParse(parseJson(text)).data;
  if (!record) return false;
  const { files, ...made } = record;
  if (!isDeepStrictEqual(made, facts)) return false;
  for (const [index, name] of namesOf(places).entries()) {
    const status = await stat(places.stems[index] as string).catch(() => undefined);
    if (!status?.isFile() || status.size !== files[name]) return false;
  }
  return true;
}

const namesOf = ({ stems, record }: Places): string[] =>
  stems.map((place) => path.relative(path.dirname(record), place));

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
