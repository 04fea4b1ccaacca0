/**
 * Runs a native session over a song: feeds it, steps it, takes what is finished, stops it.
 */
import { setImmediate } from 'node:timers/promises';
import { OxboardError } from '../errors.js';
import {
  closeSession,
  fromNative,
  openSession,
  type NativeModel,
  type NativePlan,
  type NativeSession,
  type NativeStepReport,
} from '../native.js';
import type { Progress, ProgressBatch } from '../options.js';
import type { AudioSource } from './audio-source.js';

/** Frames handed over at a time: small enough that copying them never delays the event loop. */
const BLOCK_FRAMES = 65_536;

export interface Run {
  model: NativeModel;
  plan: NativePlan;
  source: AudioSource;
  /** Ends the run within one operator of the network; the run then throws its reason. */
  signal: AbortSignal;
  /** Told of each step while it runs, so that others can wait for the device to be let go. */
  onStep: (step: Promise<unknown>) => void;
  /** Told how each step came through. */
  onReport: (report: NativeStepReport) => void;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** A run of finished samples: for each requested source, one array per channel. */
export interface FinishedBlock {
  /** First frame within the song. */
  offset: number;
  frames: number;
  rows: Float32Array[][];
}

/**
 * Yields the finished samples of a song in blocks that follow one another without gaps, those of one
 * step while the next one runs: what the caller does with them costs no time of the device. Leaving
 * the loop early ends the work.
 *
 * @throws OxboardError as the native session does, INPUT_CHANGED; `signal.reason` when aborted.
 */
export async function* runSession(run: Run): AsyncGenerator<FinishedBlock, void, undefined> {
  const { plan, signal } = run;
  signal.throwIfAborted();
  const session = openSession(run.model, plan);
  // Suspended at a yield nothing else would ever let go of the session and its model.
  const close = () => {
    closeSession(session);
  };
  signal.addEventListener('abort', close, { once: true });
  const input = skipFrames(run.source.blocks(signal), session.inputStart);
  let step: Promise<{ report: NativeStepReport; batch: ProgressBatch }> | undefined;
  let offset = plan.resumeFrom;
  const take = (): FinishedBlock => {
    const block = { offset, ...takeBlock(session) };
    offset += block.frames;
    return block;
  };
  const tellProgress = (batch: ProgressBatch | null) =>
    run.onProgress?.({ ...progressOf(session, offset, plan.length), batch });
  const hasSteps = () => !session.done;
  try {
    if (!hasSteps()) tellProgress(null);
    let finished: FinishedBlock[] = [];
    while (hasSteps()) {
      await feed(session, input, plan.length);
      signal.throwIfAborted();
      step = startStep(run, session);
      for (const block of finished) {
        yield block;
        signal.throwIfAborted();
      }
      const { report, batch } = await step;
      run.onReport(report);
      signal.throwIfAborted();
      tellProgress(batch);
      finished = [];
      // What the last step finished, or all of a silent song, is taken as the caller asks for it.
      while (hasSteps() && session.framesReady > 0) {
        finished.push(take());
        // Copying many blocks in a row must not keep the event loop waiting.
        await setImmediate();
        signal.throwIfAborted();
      }
    }
    while (offset < plan.length) {
      yield take();
      await setImmediate();
      signal.throwIfAborted();
    }
  } catch (error) {
    // Whatever the stop made fail, the caller is told why it stopped.
    signal.throwIfAborted();
    throw fromNative(error);
  } finally {
    signal.removeEventListener('abort', close);
    close();
    await step?.catch(() => undefined);
    await input.return();
  }
}

/** Starts the next step. Its failure is for whoever waits for it, which may be later or never. */
function startStep(
  run: Run,
  session: NativeSession,
): Promise<{ report: NativeStepReport; batch: ProgressBatch }> {
  const { nextMember: member, chunksDone } = session;
  const began = performance.now();
  const native = session.step();
  run.onStep(native);
  const step = native.then((report) => {
    const seconds = (performance.now() - began) / 1000;
    return { report, batch: { member, segments: session.chunksDone - chunksDone, seconds } };
  });
  step.catch(() => undefined);
  return step;
}

function takeBlock(session: NativeSession): Pick<FinishedBlock, 'frames' | 'rows'> {
  const frames = Math.min(session.framesReady, BLOCK_FRAMES);
  return { frames, rows: session.take(frames) };
}

/** The blocks of a song without its first frames. */
async function* skipFrames(
  blocks: AsyncIterable<readonly Float32Array[]>,
  frames: number,
): AsyncGenerator<readonly Float32Array[], void, undefined> {
  let toSkip = frames;
  for await (const block of blocks) {
    const length = block[0]?.length ?? 0;
    if (toSkip === 0) yield block;
    else if (toSkip < length) yield block.map((channel) => channel.subarray(toSkip));
    toSkip = Math.max(toSkip - length, 0);
  }
}

/** Pushes as much of the song as the next step wants. */
async function feed(
  session: NativeSession,
  input: AsyncIterator<readonly Float32Array[]>,
  frames: number,
): Promise<void> {
  while (session.framesWanted > 0) {
    const next = await input.next();
    if (next.done || !session.push(next.value)) {
      throw new OxboardError(
        'INPUT_CHANGED',
        `The source had ${String(frames)} frames, and another number on its second reading`,
      );
    }
  }
}

function progressOf(
  session: NativeSession,
  offset: number,
  frames: number,
): Omit<Progress, 'batch'> {
  const { chunksDone, chunksTotal, framesReady } = session;
  return {
    fraction: chunksTotal === 0 ? 1 : chunksDone / chunksTotal,
    segmentsDone: chunksDone,
    segmentsTotal: chunksTotal,
    framesDone: offset + framesReady,
    framesTotal: frames,
  };
}
