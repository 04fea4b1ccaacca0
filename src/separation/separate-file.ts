/**
 * The main job: one audio file in, its stems as audio files out. What runs it (the command line, a
 * worker) brings the separator, so that a model is loaded once for many files.
 */
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DamageLog, type Warning } from '../audio/damage.js';
import { decode } from '../audio/decode.js';
import { checkFreeSpace, writeError } from '../audio/write-errors.js';
import { resolveEncoding, type Encoding } from '../audio/formats.js';
import { extractCover, stemTexts } from '../audio/tags.js';
import { emptyInput, type AudioTrack, type ProbedInput } from '../audio/probe.js';
import { spoolBlocks, type Spool } from '../audio/spool.js';
import { planStems, type StemPlan } from '../engine/stem-plan.js';
import { checkModelOptions, partFrames, type Part } from '../model-options.js';
import type { ResolvedOutputOptions, ResolvedSeparateOptions } from '../options.js';
import type { Checkpoints } from './checkpoints.js';
import type { ChunkSink } from './chunks.js';
import { makeRecord, type RecordFacts } from './done-record.js';
import { checkTemplate, folderName, sameFileKey, trackName } from './output-names.js';
import { outputPlaces } from './places.js';
import { encodeStems, spaceNeeded, type EncodedStem } from './stem-files.js';
import { separateToSpools, type StemSeparator } from './stem-spools.js';
import { damageWarnings, optionWarnings } from './warnings.js';
import { Workspace } from './workspace.js';

const SECONDS_BETWEEN_SPACE_CHECKS = 30;

export type Stage = 'decoding' | 'separating' | 'encoding';

/** How far one file has come. */
export interface FileProgress {
  stage: Stage;
  /** Work of this stage done, from 0 to 1. */
  fraction: number;
  /** Length of the audio, once it is known. */
  audioSeconds?: number;
}

/** Options of the separation of a file; `signal` and `onProgress` are the request's. */
export type FileOptions = Partial<Omit<ResolvedSeparateOptions, 'signal' | 'onProgress'>>;

export interface FileRequest {
  input: ProbedInput;
  separator: StemSeparator;
  output: ResolvedOutputOptions;
  /** Options of the separation; `stems` chooses the sources that are written. */
  options: FileOptions;
  /** Called with the seconds of audio that are decoded so far; what it throws ends the work. */
  checkLength?: (seconds: number) => void;
  /** Where finished stems are kept meanwhile, to go on from there after an interruption. */
  checkpoints?: Checkpoints | undefined;
  /** Where finished stems are published meanwhile, chunk by chunk. */
  chunks?: ChunkSink | undefined;
  /**
   * The name of the song where it has no title, that of its file if not given; null: stems of such a
   * song have no title.
   */
  songName?: string | null;
  /** Folders between that of the model and the song's, between slashes. */
  folder?: string | undefined;
  /** Files that earlier songs of the same run have taken; see sameFileKey. */
  taken?: Set<string>;
  /** What the record beside the stems says of how they were made; without it there is none. */
  record?: RecordFacts;
  signal?: AbortSignal | undefined;
  onProgress?: (progress: FileProgress) => void;
}

export interface StemFile {
  path: string;
  format: string;
  sampleRate: number;
  channels: number;
  frames: number;
  durationSeconds: number;
  sizeBytes: number;
  sha256: string;
  /** The factor by which clip mode `rescale` lowered this stem. */
  gain: number;
}

export interface FileResult {
  input: string;
  model: string;
  /** Which audio track of the input this is; null when there is one only. */
  track: AudioTrack | null;
  /** What the owner of the song should know. */
  warnings: Warning[];
  /** Length of the whole song in seconds; stems may be a part of it. */
  songSeconds: number;
  output: { stems: Record<string, StemFile> };
  /**
   * Level of the mixture minus the sum of all stems, in dB relative to the mixture; null when not
   * all stems were computed, or when the song is silent.
   */
  nullTestDb: number | null;
  /** Seconds that the work took. */
  seconds: number;
  /** Seconds of audio per second of work. */
  realtimeFactor: number;
  /** What made this result. */
  manifest: object;
}

/**
 * Separates one file. Nothing is left behind unless it succeeds, and files of an earlier run stay
 * as they are until then.
 *
 * @throws OxboardError of the input, the output, the options or the separation; `signal.reason`.
 */
export async function separateFile(request: FileRequest): Promise<FileResult> {
  const started = performance.now();
  const { input, separator, output, options, taken, signal, onProgress } = request;
  const { songName = trackName(input.path) } = request;
  const { model } = separator;
  const format = { sampleRate: model.sampleRate, channelCount: model.channels };
  const plan = checkOutput(model, output, options);
  const encoding = resolveEncoding(output, { input: input.sampleRate, model: model.sampleRate });

  let workspace: Workspace | undefined;
  try {
    workspace = await Workspace.create(path.join(output.out, folderName(model.name)));
    const portable = !(await workspace.takesAnyName());
    const places = outputPlaces({
      ...request,
      input: input.path,
      model: model.name,
      stems: plan.outputs.map(({ name }) => name),
      portable,
    });
    const damage = new DamageLog();
    const mixture = await spoolMixture(request, workspace, damage, (seconds, silent) =>
      spaceNeeded(plan.outputs.length, encoding, format, {
        seconds: Math.min(seconds, (options.end ?? Infinity) - (options.start ?? 0)),
        silent,
        checkpoints: request.checkpoints !== undefined,
        chunks: request.chunks !== undefined,
      }),
    );
    const cover = encoding.cover
      ? await extractCover(input, workspace.path('cover'), signal)
      : undefined;
    const songSeconds = mixture.frames / mixture.sampleRate;
    const warnings = [
      ...damageWarnings(input, damage, songSeconds, output.allowDamaged),
      ...optionWarnings(output, encoding),
    ];
    const part = partFrames(options, mixture);
    const audioSeconds = (part.end - part.start) / mixture.sampleRate;

    onProgress?.({ stage: 'separating', fraction: 0, audioSeconds });
    const separated = await separateToSpools(
      separator,
      mixture,
      plan,
      workspace,
      {
        ...options,
        ...(signal && { signal }),
        onProgress: ({ fraction }) => onProgress?.({ stage: 'separating', fraction, audioSeconds }),
      },
      {
        part,
        checkpoints: request.checkpoints,
        chunks: request.chunks,
        onSeparated: () => onProgress?.({ stage: 'encoding', fraction: 0, audioSeconds }),
      },
    );
    await rm(mixture.path);

    let encoded = 0;
    const stemEncoded = () =>
      onProgress?.({ stage: 'encoding', fraction: encoded++ / plan.outputs.length, audioSeconds });
    stemEncoded();
    const files = await encodeStems(separated.spools, workspace, encoding, {
      clipMode: output.clipMode,
      oneGain: plan.consistent,
      tags: plan.outputs.map(({ name }) => ({
        texts: stemTexts(input.tags, songName, name),
        cover,
      })),
      frames: keptFrames(input, mixture, part, encoding),
      signal,
      onStem: stemEncoded,
    });
    signal?.throwIfAborted();
    const moves = files.map(({ file }, index) => ({
      from: file,
      to: places.stems[index] as string,
    }));
    if (request.record) {
      const sizes = files.map(({ sizeBytes }) => sizeBytes);
      const from = workspace.path('record.json');
      await writeFile(from, makeRecord(request.record, places, sizes));
      moves.push({ from, to: places.record });
    }
    await workspace.publish(moves, input.path);
    for (const place of places.stems) taken?.add(sameFileKey(place));

    const stems: Record<string, StemFile> = {};
    for (const [index, { name }] of plan.outputs.entries()) {
      const { sampleRate, channels, frames, sizeBytes, sha256, gain } = files[index] as EncodedStem;
      stems[name] = {
        path: places.stems[index] as string,
        format: encoding.format,
        sampleRate,
        channels,
        frames,
        durationSeconds: frames / sampleRate,
        sizeBytes,
        sha256,
        gain,
      };
    }
    const seconds = (performance.now() - started) / 1000;
    return {
      input: input.path,
      model: model.name,
      track: input.track ?? null,
      warnings,
      songSeconds,
      output: { stems },
      nullTestDb: separated.nullTestDb,
      seconds,
      realtimeFactor: audioSeconds / seconds,
      manifest: {
        ...separated.manifest,
        stems: Object.fromEntries(
          Object.entries(stems).map(([name, { gain }]) => [name, { gain }]),
        ),
        output: {
          format: encoding.format,
          bitDepth: encoding.bitDepth,
          bitrate: encoding.bitrate,
          sampleRate: encoding.sampleRate,
          clipMode: output.clipMode,
          mix: options.mix,
          mixtureConsistent: options.mixtureConsistent,
          start: options.start,
          end: options.end,
          track: input.track?.number,
        },
      },
    };
  } catch (error) {
    throw writeError(error, output.out);
  } finally {
    workspace?.remove();
  }
}

/**
 * Decodes the input, and stops as soon as there is more of it than the disk has room for. What a
 * header says of the length is no measure: it may be wrong by any amount.
 *
 * @param space bytes that a separation of so many seconds needs beside the mixture.
 */
async function spoolMixture(
  { input, separator, checkLength, signal, onProgress }: FileRequest,
  workspace: Workspace,
  damage: DamageLog,
  space: (seconds: number, silent: boolean) => number,
): Promise<Spool> {
  const { sampleRate, channels: channelCount } = separator.model;
  const format = { sampleRate, channelCount };
  let checkedSeconds = 0;
  onProgress?.({ stage: 'decoding', fraction: 0 });
  const blocks = decode(input, format, { signal, damage });
  const file = workspace.path('mixture.f32');
  const mixture = await spoolBlocks(file, format, blocks, async ({ frames, silent }) => {
    const seconds = frames / sampleRate;
    checkLength?.(seconds);
    if (seconds > checkedSeconds) {
      checkedSeconds = seconds + SECONDS_BETWEEN_SPACE_CHECKS;
      await checkFreeSpace(workspace.directory, space(checkedSeconds, silent));
    }
    const fraction = input.durationSeconds ? Math.min(seconds / input.durationSeconds, 1) : 0;
    onProgress?.({ stage: 'decoding', fraction });
  });
  if (mixture.frames === 0) throw emptyInput(input.path);
  return mixture;
}

/**
 * The length of stems that go back to the song's sample rate: what the file says of it, if decoding
 * proved it.
 */
function keptFrames(
  input: ProbedInput,
  mixture: Spool,
  part: Part,
  encoding: Encoding,
): number | undefined {
  const { sampleRate, frames } = input;
  const partLength = part.end - part.start;
  if (partLength < mixture.frames) {
    return Math.round((partLength * encoding.sampleRate) / mixture.sampleRate);
  }
  if (frames === undefined || encoding.sampleRate !== sampleRate) return undefined;
  const exact = (frames * mixture.sampleRate) / sampleRate;
  return Math.abs(mixture.frames - exact) < 1 ? frames : undefined;
}

/**
 * The checks that need only the model's description, for a caller that wants to refuse bad options
 * before it loads the model.
 *
 * @throws OxboardError INVALID_OPTION
 */
export function checkOutput(
  model: StemSeparator['model'],
  output: ResolvedOutputOptions,
  options: FileOptions,
): StemPlan {
  checkModelOptions({ ...output, ...options }, model);
  const plan = planStems(model.sources, { ...output, ...options });
  checkTemplate(output.filename, plan.outputs.length);
  return plan;
}
