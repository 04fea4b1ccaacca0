/**
 * How long the song of a job may be. What its header said at admission may have been wrong.
 */
import { tooLong } from '../audio/probe.js';
import { checkWork } from '../jobs/cost.js';
import type { ModelShape } from '../model-options.js';
import type { JobOptions } from '../options.js';

/**
 * @param maxDuration seconds of the longest song that is accepted.
 * @returns a check of a length in seconds, which throws AUDIO_TOO_LONG, or INVALID_OPTION when it
 * would be too much work with these options.
 */
export function lengthLimit(
  options: JobOptions,
  model: ModelShape,
  maxDuration: number,
): (seconds: number) => void {
  return (seconds) => {
    if (seconds > maxDuration) throw tooLong(maxDuration);
    checkWork(options, model, seconds, maxDuration);
  };
}
