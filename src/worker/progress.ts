/**
 * How far a job has come, over all its stages, as its record tells it.
 */
import type { ModelDescription } from '../models/archive.js';
import type { ProgressBatch } from '../options.js';
import type { JobStage } from '../jobs/job.js';

export type WorkStage = Exclude<JobStage, 'waiting' | 'done'>;

/** Percent at which each stage begins. Nearly all of the time goes into the separation. */
const BEGINS: Record<WorkStage, number> = {
  downloading: 0,
  loading: 0,
  decoding: 2,
  separating: 6,
  encoding: 92,
  storing: 98,
};
const ENDS: Record<WorkStage, number> = {
  // A job that has no download is at the same point when its model is loaded.
  downloading: BEGINS.decoding,
  loading: BEGINS.decoding,
  decoding: BEGINS.separating,
  separating: BEGINS.encoding,
  encoding: BEGINS.storing,
  storing: 99,
};

/** How far a job is when its song was downloaded. */
export const DOWNLOADED = ENDS.downloading;

/** Often enough for a bar that moves, seldom enough for thousands of listeners. */
const INTERVAL_MS = 500;

export interface ProgressReporter {
  /** @param fraction of the stage, from 0 to 1. */
  report(stage: WorkStage, fraction?: number): void;
  /** Told of each batch of segments, by those who follow so closely. */
  ran?(batch: ProgressBatch, model: ModelDescription): void;
  /** Resolves when nothing is on its way any more. */
  flush(): Promise<void>;
}

/**
 * @param send is called with one report at a time, at most twice a second but for new stages; what it
 * throws is the sender's own business.
 * @param onStage told how many seconds a stage took when it is left.
 */
export function reportProgress(
  send: (now: { stage: JobStage; progress: number }) => Promise<void>,
  onStage: (stage: WorkStage, seconds: number) => void,
): ProgressReporter {
  let stage: WorkStage | undefined;
  let stageBegan = performance.now();
  let highest = 0;
  let sentAt = -Infinity;
  let next: { stage: WorkStage; progress: number } | undefined;
  let sending: Promise<void> | undefined;

  const drain = async () => {
    for (let now = next; now; now = next) {
      next = undefined;
      sentAt = performance.now();
      await send(now);
    }
    sending = undefined;
  };
  const leave = () => {
    if (stage) onStage(stage, (performance.now() - stageBegan) / 1000);
    stageBegan = performance.now();
  };
  return {
    report(current, fraction = 0) {
      const isNew = current !== stage;
      if (isNew) {
        leave();
        stage = current;
      }
      const share = Math.min(Math.max(fraction, 0), 1) * (ENDS[current] - BEGINS[current]);
      highest = Math.max(highest, Math.round((BEGINS[current] + share) * 10) / 10);
      if (!isNew && performance.now() - sentAt < INTERVAL_MS) return;
      next = { stage: current, progress: highest };
      sending ??= drain();
    },
    async flush() {
      leave();
      stage = undefined;
      await sending;
    },
  };
}
