/**
 * `oxboard separate`: the main job from a shell.
 */
import { Command } from 'commander';
import type { z } from 'zod';
import { displayPath } from '../../lib/display-path.js';
import { count } from '../../lib/format.js';
import { resolveEncoding } from '../../audio/formats.js';
import type { AudioTrack } from '../../audio/probe.js';
import { readConfig } from '../../config.js';
import type { Separator } from '../../engine/separator.js';
import { OxboardError } from '../../errors.js';
import { defaultModel, findModel } from '../../models/library.js';
import {
  loadOptions,
  outputOptions,
  separateOptions,
  type LoadOptions,
  type MemoryShortage,
} from '../../options.js';
import { checkOutput, type FileResult } from '../../separation/separate-file.js';
import { removeOpenWorkspaces } from '../../separation/workspace.js';
import { flagOf, resolveFlags } from '../flags.js';
import { filesOf, type InputFile } from '../inputs.js';
import { clock, progressView, type ProgressView } from '../progress-view.js';
import { describeFailure, isUsageError, reportFailure, say, type Failure } from '../report.js';
import { separateSong, type SongOptions } from '../separate-song.js';
import { cleanUpOnSignal } from '../signals.js';
import { checkStandardInput } from '../standard-input.js';

const EXAMPLES = `
Examples:
  $ oxboard separate song.mp3
      drums, bass, other and vocals as separated/<model>/song/<stem>.wav
  $ oxboard separate song.mp3 --two-stems vocals --format mp3
      a karaoke track (no_vocals.mp3) and the voice alone (vocals.mp3)
  $ oxboard separate *.flac --stems vocals --format flac -o voices
      the voices of many songs; what is not asked for is not computed
  $ oxboard separate song.wav --clip-mode none --bit-depth 32f --json
      exactly what the network gave, and a JSON result on stdout
  $ oxboard separate a.wav --mixture-consistent --clip-mode none --bit-depth 32f
      stems that add up to the song
  $ oxboard separate song.mp3 --stems vocals --mix band=drums+bass+other
      the voice, and a mix of the other stems as band.wav
  $ oxboard separate concert.mkv --start 1:30 --end 2:00 --track 2
      half a minute of the second audio track
  $ oxboard separate -r Music --two-stems vocals --skip-existing --resume
      all songs in a folder and below it; run it again after an interruption
  $ curl -L https://example.org/song.mp3 | oxboard separate -
      a song from standard input; its stems go to separated/<model>/stdin
  $ oxboard separate -- -song.mp3
      a name that begins with a dash
`;

interface Flags extends Record<string, unknown> {
  model?: string;
  json?: boolean;
  recursive?: boolean;
  skipExisting?: boolean;
  resume?: boolean;
  quiet?: boolean;
  verbose?: boolean;
}

export function separateCommand(): Command {
  return new Command('separate')
    .description('separate songs into stems')
    .argument(
      '<input...>',
      'audio and video files, folders of them, quoted patterns, or - for standard input',
    )
    .option('-r, --recursive', 'search the folders below too; the output has the same folders')
    .option(
      '--skip-existing',
      'leave out songs that are done: with the same options, and unchanged',
    )
    .option('--resume', 'continue where an interrupted run with --resume stopped')
    .option('-n, --model <name>', 'model to use (default: the best installed)')
    .addOption(flagOf(outputOptions, 'out', 'dir', { short: '-o' }))
    .addOption(flagOf(outputOptions, 'filename', 'template'))
    .addOption(flagOf(separateOptions, 'stems', 'a,b'))
    .addOption(flagOf(outputOptions, 'twoStems', 'stem'))
    .addOption(flagOf(outputOptions, 'otherMethod', 'method'))
    .addOption(flagOf(outputOptions, 'format', 'format'))
    .addOption(flagOf(outputOptions, 'bitDepth', 'bits'))
    .addOption(flagOf(outputOptions, 'bitrate', 'kbit/s'))
    .addOption(flagOf(outputOptions, 'sampleRate', 'rate'))
    .addOption(flagOf(outputOptions, 'clipMode', 'mode'))
    .addOption(flagOf(separateOptions, 'mix', 'name=a+b', { repeatable: true }))
    .addOption(flagOf(separateOptions, 'mixtureConsistent'))
    .addOption(flagOf(separateOptions, 'start', 'time'))
    .addOption(flagOf(separateOptions, 'end', 'time'))
    .addOption(flagOf(outputOptions, 'track', 'n'))
    .addOption(flagOf(outputOptions, 'allowDamaged'))
    .addOption(flagOf(separateOptions, 'shifts', 'n'))
    .addOption(flagOf(separateOptions, 'overlap', 'fraction'))
    .addOption(flagOf(separateOptions, 'segment', 'seconds'))
    .addOption(flagOf(separateOptions, 'seed', 'n'))
    .addOption(flagOf(loadOptions, 'device', 'device'))
    .addOption(flagOf(loadOptions, 'threads', 'n'))
    .addOption(flagOf(loadOptions, 'modelsDir', 'dir'))
    .option('--json', 'print one JSON result per song on stdout')
    .option('-q, --quiet', 'print nothing but errors, warnings and JSON results')
    .option('-v, --verbose', 'also print seed, versions and hashes of each result')
    .addHelpText('after', EXAMPLES)
    .action(async (inputs: string[], flags: Flags) => {
      await separate(inputs, flags);
    });
}

/** All that the flags and the environment say, checked before any work is done. */
interface Job extends SongOptions {
  load: z.output<typeof loadOptions>;
  json: boolean;
  quiet: boolean;
  verbose: boolean;
}

/** A file to separate, or what is wrong with an input. */
interface Song extends InputFile {
  error?: Error;
}

async function prepare(inputs: readonly string[], flags: Flags): Promise<Job> {
  checkStandardInput(inputs);
  const config = readConfig(process.env);
  const load = resolveFlags(loadOptions, {
    modelsDir: flags.modelsDir ?? config.modelsDir,
    device: flags.device ?? config.device,
    threads: flags.threads ?? config.threads,
    tf32: config.tf32,
  });
  const options = resolveFlags(separateOptions, flags);
  const output = resolveFlags(outputOptions, flags);
  const { modelsDir } = load;
  const model =
    flags.model === undefined
      ? await defaultModel({ modelsDir, configured: config.defaultModel })
      : await findModel(flags.model, { modelsDir });

  const { sampleRate } = model.description;
  const plan = checkOutput(model.description, output, options);
  // With "keep" each input has its own rate, and is checked in its turn.
  if (output.sampleRate !== 'keep')
    resolveEncoding(output, { input: sampleRate, model: sampleRate });
  const stems = plan.outputs.map(({ name }) => name);
  const { json = false, verbose = false, quiet = false } = flags;
  const { skipExisting = false, resume = false } = flags;
  const song: SongOptions = { model, load, options, output, stems, skipExisting, resume };
  return { ...song, load, json, quiet, verbose };
}

async function songsOf(inputs: readonly string[], flags: Flags, out: string): Promise<Song[]> {
  const { recursive = false } = flags;
  const songs: Song[] = [];
  for (const input of inputs) {
    try {
      const files = await filesOf(input, { recursive, out });
      songs.push(...files);
    } catch (error) {
      songs.push({ file: input, folder: '', error: error as Error });
    }
  }
  return songs;
}

async function separate(inputs: readonly string[], flags: Flags): Promise<void> {
  const job = await prepare(inputs, flags).catch((error: unknown) => {
    if (flags.json) for (const file of inputs) printFailure(file, describeFailure(error));
    throw error;
  });
  const songs = await songsOf(inputs, flags, job.output.out);
  const abort = new AbortController();
  const view = progressView(job.stems, job);
  const restoreSignals = cleanUpOnSignal(() => {
    view.stop();
    if (job.resume) say('Stopped. Run the command again to go on from here');
    abort.abort(new OxboardError('ABORTED', 'Stopped'));
    removeOpenWorkspaces();
  });
  try {
    await separateAll(songs, job, view, abort.signal);
  } finally {
    restoreSignals();
  }
}

async function separateAll(
  songs: readonly Song[],
  job: Job,
  view: ProgressView,
  signal: AbortSignal,
): Promise<void> {
  const { model, load, json, quiet, verbose } = job;
  const note = quiet ? () => undefined : say;
  const taken = new Set<string>();
  const failures: { file: string; failure: Failure }[] = [];
  let separator: Separator | undefined;
  let skipped = 0;
  try {
    for (const [index, { error, ...song }] of songs.entries()) {
      const { file } = song;
      if (songs.length > 1)
        note(`[${String(index + 1)}/${String(songs.length)}] ${displayPath(file)}`);
      try {
        if (error) throw error;
        const outcome = await separateSong(song, job, {
          separator: async () =>
            (separator ??= await loadSeparator(model.name, { ...load, signal }, note)),
          taken,
          onProgress: (progress) => view.update(progress),
          onResumed: (seconds) => note(`Resuming at ${clock(seconds)}`),
          onNotKept: (reason) =>
            say(
              `Warning: The work cannot be saved for --resume: ${describeFailure(reason).message}`,
            ),
          signal,
        });
        view.stop();
        if ('skipped' in outcome) {
          skipped++;
          if (json) printJson(skippedJson(file, model.name, outcome.skipped));
          else note('Already done');
          continue;
        }
        const { result, resumed } = outcome;
        for (const { message } of result.warnings) say(`Warning: ${displayPath(file)}: ${message}`);
        if (json) printJson(result);
        else if (!quiet) print(result, resumed);
        if (verbose) say(JSON.stringify(result.manifest, undefined, 2));
      } catch (thrown) {
        view.stop();
        const failure = reportFailure(thrown);
        failures.push({ file, failure });
        if (json) printFailure(file, failure);
        // What keeps the first song from starting keeps them all, unless it is the song's own fault.
        const blocked = !separator && !failure.code.startsWith('INPUT_');
        if (blocked || failure.code.startsWith('MODEL_')) {
          for (const other of songs.slice(index + 1)) {
            failures.push({ file: other.file, failure });
            if (json) printFailure(other.file, failure);
          }
          break;
        }
      }
    }
  } finally {
    await separator?.dispose();
  }
  if (skipped > 0) note(`Already done: ${String(skipped)} of ${count(songs.length, 'song')}`);
  const { embedded, description } = model;
  if (separator && description.notice) note(`Note: ${model.name}: ${description.notice}`);
  else if (separator && embedded)
    note(`Note: ${model.name} is the small model that comes with OX Board Demucs`);
  if (failures.length === 0) return;
  if (songs.length > 1) {
    say(`oxboard: ${String(failures.length)} of ${String(songs.length)} songs failed:`);
    for (const { file, failure } of failures) say(`  ${displayPath(file)} (${failure.code})`);
  }
  const allUsage =
    failures.length === songs.length && failures.every(({ failure }) => isUsageError(failure));
  process.exitCode = allUsage ? 2 : 1;
}

/** The engine is imported only here, so that help and errors do not wait for libtorch. */
async function loadSeparator(
  name: string,
  options: LoadOptions,
  note: (text: string) => void,
): Promise<Separator> {
  const { Separator } = await import('../../engine/separator.js');
  note(`Loading ${name}`);
  // The song's own first segment makes the checks of a warm-up.
  const onMemoryShort = ({ message }: MemoryShortage) => say(`Warning: ${message}`);
  const separator = await Separator.load(name, { ...options, warmUp: false, onMemoryShort });
  const { device, threads } = separator;
  note(`Running on ${device}${device === 'cpu' ? ` with ${count(threads, 'thread')}` : ''}`);
  return separator;
}

const skippedJson = (input: string, model: string, stems: Record<string, string>) => ({
  input,
  model,
  skipped: true,
  output: {
    stems: Object.fromEntries(Object.entries(stems).map(([name, path]) => [name, { path }])),
  },
});

/** @param resumed whether an earlier run did part of the work, so that the speed says nothing. */
function print(result: FileResult, resumed: boolean): void {
  const stems = Object.entries(result.output.stems);
  const audio = clock(stems[0]?.[1].durationSeconds ?? 0);
  const speed = resumed ? '' : ` (${result.realtimeFactor.toFixed(2)}x real time)`;
  const { track } = result;
  const which = track ? `, audio track ${trackWords(track)}` : '';
  const lines = stems.map(([name, { path, gain }]) => {
    const lowered = gain < 1 ? `  (lowered by ${(-20 * Math.log10(gain)).toFixed(1)} dB)` : '';
    return `  ${name.padEnd(12)} ${displayPath(path)}${lowered}`;
  });
  process.stdout.write(
    `${displayPath(result.input)}${which}: ${audio} of audio in ${clock(result.seconds)}${speed}\n${lines.join('\n')}\n`,
  );
}

function trackWords({ number, count, language, title }: AudioTrack): string {
  const about = [language, title].filter((text) => text !== null).map(displayPath);
  return `${String(number)} of ${String(count)}${about.length > 0 ? ` (${about.join(', ')})` : ''}`;
}

function printFailure(input: string, { code, message }: Failure): void {
  printJson({ input, error: { code, message } });
}

function printJson(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
