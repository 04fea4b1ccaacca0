/**
 * Audio that a separation reads: first for its length, mean and deviation, then for its samples.
 */

/** PCM in memory: one Float32Array per channel, all of the same length. */
export interface AudioArrays {
  /** Sample frames per second. It must be the model's, unless `resample` is set. */
  sampleRate: number;
  channels: readonly Float32Array[];
}

/**
 * PCM that can be read from its start as often as asked, such as a spool file.
 */
export interface AudioSource {
  /** Sample frames per second. It must be the model's, unless `resample` is set. */
  sampleRate: number;
  channelCount: number;
  /**
   * Reads from the first frame to the last, in blocks of any size. Each call begins anew and gives
   * the same samples. A block may be reused by the source once the next one is asked for.
   *
   * @param signal ends the reading with its reason.
   */
  blocks(signal?: AbortSignal): AsyncIterable<readonly Float32Array[]>;
}
