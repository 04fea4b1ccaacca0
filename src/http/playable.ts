/**
 * What can be played of a job: of its result, or of the one that is being made.
 */
import type { Job, Playback } from '../jobs/job.js';

export interface Playable {
  playback: Playback;
  /** Chunks of each stem that are published. */
  chunksReady: number;
  /** Under which they are stored. */
  resultId: string;
}

export function playableOf({ result, playback, chunksReady }: Job): Playable | undefined {
  if (result) {
    const { playback: whole, id } = result;
    return { playback: whole, chunksReady: whole.chunks, resultId: id };
  }
  return playback ? { playback, chunksReady, resultId: playback.resultId } : undefined;
}
