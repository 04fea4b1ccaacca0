/**
 * One song of `oxboard separate`: from an input to its stems, or to the finding that they are there.
 */
import path from 'node:path';
import { probe, type ProbedInput } from '../audio/probe.js';
import { writeError } from '../audio/write-errors.js';
import type { Separator } from '../engine/separator.js';
import { OxboardError } from '../errors.js';
import { sha256Hex } from '../lib/hash.js';
import { modelHash, type InstalledModel } from '../models/archive.js';
import type { LoadOptions, ResolvedOutputOptions } from '../options.js';
import { isDone, recordFacts, type RecordFacts } from '../separation/done-record.js';
import { folderName, sameFileKey } from '../separation/output-names.js';
import { outputPlaces, type Places } from '../separation/places.js';
import {
  separateFile,
  type FileOptions,
  type FileProgress,
  type FileResult,
} from '../separation/separate-file.js';
import { Workspace } from '../separation/workspace.js';
import { STANDARD_INPUT, type InputFile } from './inputs.js';
import { KeptWork, removeKeptWork } from './kept-work.js';
import { readStandardInput } from './standard-input.js';

/** What is the same for all songs of a command. */
export interface SongOptions {
  model: InstalledModel;
  load: LoadOptions;
  options: FileOptions;
  output: ResolvedOutputOptions;
  /** Names of the stems that are written. */
  stems: readonly string[];
  skipExisting: boolean;
  resume: boolean;
}

/** What the songs of a command share while it runs. */
export interface SongRun {
  separator: () => Promise<Separator>;
  /** Files that earlier songs have taken; see sameFileKey. */
  taken: Set<string>;
  onProgress: (progress: FileProgress) => void;
  /** Told the seconds of audio that need not be computed again. */
  onResumed: (seconds: number) => void;
  /** Told that nothing is kept for --resume. */
  onNotKept: (error: unknown) => void;
  signal: AbortSignal;
}

export interface SeparatedSong {
  result: FileResult;
  /** Whether part of the work was done by an earlier run. */
  resumed: boolean;
}

/** The paths of stems that an earlier run made, by name. */
export interface SkippedSong {
  skipped: Record<string, string>;
}

/** @throws as separateFile. */
export async function separateSong(
  song: InputFile,
  job: SongOptions,
  run: SongRun,
): Promise<SeparatedSong | SkippedSong> {
  if (song.file !== STANDARD_INPUT) return separate(song, job, run, {});
  const { file, remove } = await readStandardInput(modelFolder(job), run.signal);
  try {
    const outcome = await separate({ ...song, file }, job, run, { songName: null });
    if ('result' in outcome) outcome.result.input = STANDARD_INPUT;
    return outcome;
  } catch (error) {
    throw aboutStandardInput(error, file);
  } finally {
    remove();
  }
}

async function separate(
  { file, folder }: InputFile,
  job: SongOptions,
  run: SongRun,
  naming: { songName?: null },
): Promise<SeparatedSong | SkippedSong> {
  const { model, output, options, skipExisting, resume } = job;
  const { taken, signal } = run;
  const input = await probe(file, { signal, track: output.track });
  const record = await recordFacts(file, modelHash(model), { output, options }, signal);
  if (skipExisting) {
    const places = await placesOf(input, folder, job, taken);
    if (await isDone(record, places)) {
      for (const place of places.stems) taken.add(sameFileKey(place));
      const paths = job.stems.map((name, index) => [name, places.stems[index] as string]);
      return { skipped: Object.fromEntries(paths) as Record<string, string> };
    }
  }
  const separator = await run.separator();
  const kept = resume ? await keptWork(record, job, run) : undefined;
  const result = await separateFile({
    input,
    separator,
    output,
    options: resume ? { ...options, seed: options.seed ?? seedOf(record) } : options,
    ...naming,
    checkpoints: kept,
    folder,
    taken,
    record,
    signal,
    onProgress: run.onProgress,
  });
  await removeKeptWork(modelFolder(job), record.song);
  return { result, resumed: kept?.resumed ?? false };
}

async function placesOf(
  input: ProbedInput,
  folder: string,
  job: SongOptions,
  taken: ReadonlySet<string>,
): Promise<Places> {
  const { output, model, stems } = job;
  let workspace: Workspace | undefined;
  try {
    workspace = await Workspace.create(modelFolder(job));
    const portable = !(await workspace.takesAnyName());
    return outputPlaces({
      input: input.path,
      folder,
      output,
      model: model.name,
      stems,
      taken,
      portable,
    });
  } catch (error) {
    throw writeError(error, output.out);
  } finally {
    workspace?.remove();
  }
}

async function keptWork(
  record: RecordFacts,
  job: SongOptions,
  { onResumed, onNotKept, signal }: SongRun,
): Promise<KeptWork> {
  const { resolveRuntime } = await import('../engine/runtime.js');
  const { model, load } = job;
  const { signature } = resolveRuntime(load);
  return new KeptWork({
    folder: modelFolder(job),
    song: record.song,
    signature: sha256Hex(JSON.stringify([signature, record])),
    onResumed: (frames) => {
      onResumed(frames / model.description.sampleRate);
    },
    onFailed: onNotKept,
    signal,
  });
}

/** A seed that is drawn would be another one when the work goes on. */
const seedOf = (record: RecordFacts): number =>
  Number.parseInt(sha256Hex(JSON.stringify(record)).slice(0, 8), 16);

const modelFolder = ({ output, model }: SongOptions): string =>
  path.join(output.out, folderName(model.name));

/** Nobody knows the file that standard input is kept in. */
function aboutStandardInput(error: unknown, file: string): unknown {
  if (!(error instanceof OxboardError) || !error.message.includes(file)) return error;
  const message = error.message.replaceAll(file, 'Standard input');
  return new OxboardError(error.code, message, { cause: error });
}
