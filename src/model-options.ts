/**
 * What options mean for a given model: whether it can do what they ask, and how much work that is.
 */
import { OxboardError } from './errors.js';
import {
  DEFAULT_OVERLAP,
  invalidOption,
  type JobOptions,
  parseMix,
  type ResolvedOutputOptions,
  type ResolvedSeparateOptions,
} from './options.js';

/** Lengths are in sample frames, as in model.json. */
export interface ModelShape {
  sampleRate: number;
  /** Longest input of the networks. */
  segment: number;
  /** Shortest input of the networks: a shorter one is padded to it. */
  minLength: number;
  /** Segments are added as they are: see ModelDescription. */
  overlapAdd?: { overlap: number; lead: number } | undefined;
}

/** The options that are checked here. */
type Checked = Partial<
  Pick<ResolvedSeparateOptions, 'stems' | 'mix' | 'mixtureConsistent' | 'start' | 'end'> &
    Pick<ResolvedOutputOptions, 'twoStems' | 'clipMode'>
>;

/** What of a model decides how a song is cut. */
type CutModel = Pick<ModelShape, 'sampleRate' | 'segment' | 'overlapAdd'>;

/** How a song is cut into segments. */
type Segmentation = Partial<Pick<ResolvedSeparateOptions, 'segment' | 'overlap'>>;

/**
 * Refuses what the model cannot do. The command line, the service and the engine all ask here, so
 * that the same wrong option gives the same sentence everywhere.
 *
 * @throws OxboardError INVALID_OPTION
 */
export function checkModelOptions(
  options: Segmentation & Checked,
  model: CutModel & { name: string; sources: readonly string[] },
): void {
  const { stems, twoStems } = options;
  if (stems !== undefined && twoStems !== undefined) {
    throw new OxboardError('INVALID_OPTION', 'Choose stems or two stems, not both');
  }
  const { sources } = model;
  const checkSource = (option: string, source: string) => {
    if (sources.includes(source)) return;
    throw invalidOption(option, `one of ${sources.join(', ')}`, source, sources);
  };
  for (const stem of stems ?? []) checkSource('stems', stem);
  if (twoStems !== undefined) checkSource('twoStems', twoStems);

  checkMixes(options, sources);
  const { mixtureConsistent, clipMode, start = 0, end = Infinity } = options;
  if (mixtureConsistent && (clipMode === 'clamp' || clipMode === 'tanh')) {
    throw invalidOption('clipMode', 'rescale or none (with mixture-consistent stems)', clipMode);
  }
  if (end <= start) throw invalidOption('end', `time after the start (${String(start)} s)`, end);

  const { segment, overlap = DEFAULT_OVERLAP } = options;
  if (model.overlapAdd) {
    if (segment === undefined && overlap === DEFAULT_OVERLAP) return;
    throw new OxboardError(
      'INVALID_OPTION',
      `${model.name} has its own segments: leave out segment and overlap`,
    );
  }
  const { frames, stride } = segmentFrames(options, model);
  if (frames <= model.segment && stride >= 1) return;
  const shortest = Math.ceil(1 / (1 - overlap));
  if (segment === undefined || shortest > model.segment) {
    throw invalidOption('overlap', 'number that leaves a step of at least one sample', overlap);
  }
  const from = String(Math.ceil((shortest / model.sampleRate) * 1e5) / 1e5);
  const to = (model.segment / model.sampleRate).toFixed(2);
  throw invalidOption(
    'segment',
    `number of seconds from ${from} up to ${to} (${model.name})`,
    segment,
  );
}

function checkMixes({ mix = [], twoStems }: Checked, sources: readonly string[]): void {
  const taken = new Set([...sources, 'mixture']);
  if (twoStems !== undefined) taken.add(`no_${twoStems}`).add(`minus_${twoStems}`);
  for (const { name, stems } of mix.map(parseMix)) {
    if (taken.has(name)) throw invalidOption('mix', 'name that no other stem has', name);
    taken.add(name);
    for (const [index, stem] of stems.entries()) {
      if (!sources.includes(stem)) {
        throw invalidOption('mix', `sum of some of ${sources.join(', ')}`, stem, sources);
      }
      if (stems.indexOf(stem) !== index) throw invalidOption('mix', 'each stem once', stem);
    }
  }
}

/** The part of a song that is separated, in seconds; empty when it begins after the song's end. */
export function partOf(
  { start = 0, end = Infinity }: Pick<Checked, 'start' | 'end'>,
  songSeconds: number,
): { start: number; end: number } {
  return { start, end: Math.max(Math.min(end, songSeconds), start) };
}

/**
 * Refuses a part that begins after the song's end.
 *
 * @throws OxboardError INVALID_OPTION
 */
export function checkPart({ start = 0 }: Pick<Checked, 'start'>, songSeconds: number): void {
  if (start < songSeconds || start === 0) return;
  const words = `time before the end of the song (${songSeconds.toFixed(3)} s)`;
  throw invalidOption('start', words, start);
}

/** Sample frames of a song: from the first one up to, not including, the last. */
export interface Part {
  start: number;
  end: number;
}

/**
 * The part of a song that is separated, in sample frames.
 *
 * @throws OxboardError INVALID_OPTION when the song ends before it.
 */
export function partFrames(
  options: Pick<Checked, 'start' | 'end'>,
  { frames, sampleRate }: { frames: number; sampleRate: number },
): Part {
  const songSeconds = frames / sampleRate;
  checkPart(options, songSeconds);
  const { start, end } = partOf(options, songSeconds);
  return { start: Math.round(start * sampleRate), end: Math.round(end * sampleRate) };
}

/** Sample frames of a segment and from one to the next, each cut to an integer as in demucs.apply. */
export function segmentFrames(
  { segment, overlap = DEFAULT_OVERLAP }: Segmentation,
  model: CutModel,
): { frames: number; stride: number } {
  if (model.overlapAdd) {
    return { frames: model.segment, stride: model.segment - model.overlapAdd.overlap };
  }
  const frames = segment === undefined ? model.segment : Math.trunc(segment * model.sampleRate);
  return { frames, stride: Math.trunc((1 - overlap) * frames) };
}

/** The longest random shift, in sample frames: half a second, as in demucs.apply. */
export const maxShift = (sampleRate: number): number => Math.trunc(0.5 * sampleRate);

/** Seconds of input below which a network gets no faster: the calls themselves take time. */
const CALL_SECONDS = 0.25;

/**
 * The work of a separation, in seconds of a long song that is separated with default options. It
 * counts what the networks are fed with: every shift runs over the whole song, segments overlap,
 * and one that is shorter than the network takes is padded. A part of a song is less.
 *
 * @param options that passed {@link checkModelOptions}.
 */
export function workSeconds(
  options: Segmentation & Pick<JobOptions, 'shifts'> & Checked,
  model: ModelShape,
  songSeconds: number,
): number {
  const { sampleRate, overlapAdd } = model;
  const { shifts } = options;
  const { frames, stride } = segmentFrames(options, model);
  const defaults = segmentFrames({}, model);
  const shortest = Math.max(model.minLength, Math.min(model.segment, CALL_SECONDS * sampleRate));
  const part = partOf(options, songSeconds);
  // A part needs the segments that reach into it.
  const partFrames = (part.end - part.start) * sampleRate + frames;
  const songFrames = Math.min(songSeconds * sampleRate, partFrames);
  const shiftFrames = shifts > 0 ? maxShift(sampleRate) : 0;
  const length = songFrames + shiftFrames + (overlapAdd?.lead ?? 0);
  const segments = Math.ceil(length / stride);
  const whole = length < frames ? 0 : Math.floor((length - frames) / stride) + 1;
  // The segments that reach beyond the end of the song get shorter by one stride each.
  const tail = length - (stride * (whole + segments - 1)) / 2;
  const fed = whole * Math.max(frames, shortest) + (segments - whole) * Math.max(tail, shortest);
  return (Math.max(shifts, 1) * fed * (defaults.stride / defaults.frames)) / sampleRate;
}
