/**
 * Notices a separation that does not go on, so that its job is not held for ever.
 */
import type { ProgressReporter } from './progress.js';

/** A batch that takes so many times as long as expected, and a minute more, does not come to its end. */
const SLOWEST = 10;
const MARGIN_MS = 60_000;
/** Seconds of audio per second of work that any machine does, for models that were not measured yet. */
const SLOWEST_FACTOR = 0.1;
const TICK_MS = 5_000;

/**
 * Milliseconds without a batch after which a job does not go on.
 *
 * @param segmentSeconds length of a segment.
 * @param realtimeFactor measured seconds of audio per second of work; null until it was measured.
 * @param slots jobs that may share the device.
 */
export const stallLimitMs = (
  segmentSeconds: number,
  realtimeFactor: number | null,
  slots: number,
): number =>
  MARGIN_MS + (SLOWEST * slots * segmentSeconds * 1000) / (realtimeFactor ?? SLOWEST_FACTOR);

/**
 * Watches the reports of a separation.
 *
 * @param onStall called whenever the stage `separating` has reported nothing for `limitMs`.
 * @param now clock in milliseconds.
 * @returns the same reporter; `stop` ends the watch.
 */
export function watchForStall(
  reporter: ProgressReporter,
  {
    limitMs,
    onStall,
    now = () => performance.now(),
  }: { limitMs: number; onStall: () => void; now?: () => number },
): { reporter: ProgressReporter; stop: () => void } {
  let separating = false;
  let silentMs = 0;
  let before = now();
  const tickMs = Math.min(TICK_MS, limitMs / 4);
  const timer = setInterval(() => {
    // A process that was halted meanwhile could not report either.
    silentMs += Math.min(now() - before, 2 * tickMs);
    before = now();
    if (!separating || silentMs < limitMs) return;
    silentMs = 0;
    onStall();
  }, tickMs);
  timer.unref();
  return {
    reporter: {
      ...reporter,
      report(stage, fraction) {
        separating = stage === 'separating';
        silentMs = 0;
        reporter.report(stage, fraction);
      },
    },
    stop: () => clearInterval(timer),
  };
}
