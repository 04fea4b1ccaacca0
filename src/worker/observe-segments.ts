/**
 * Counts the segments that a separation runs, and reports its batches.
 */
import type { Separator } from '../engine/separator.js';
import type { Metrics } from '../observability/metrics.js';
import type { StemSeparator } from '../separation/stem-spools.js';
import type { ProgressReporter } from './progress.js';

/** The first report includes segments that an earlier attempt ran; they are not counted again. */
export function observeSegments(
  separator: Separator,
  metrics: Metrics,
  reporter: ProgressReporter,
): StemSeparator {
  const { model } = separator;
  return {
    model,
    stream(source, options) {
      let counted = options.resumeFrom ? undefined : 0;
      return separator.stream(source, {
        ...options,
        onProgress: (progress) => {
          const { segmentsDone, batch } = progress;
          metrics.segments.inc({ model: model.name }, segmentsDone - (counted ?? segmentsDone));
          counted = segmentsDone;
          if (batch) reporter.ran?.(batch, model);
          options.onProgress?.(progress);
        },
      });
    },
  };
}
