/**
 * A song as the player sees it: chunks of stems, of which more become ready while a job runs.
 */
export interface Song {
  /** Hz, of the chunks. */
  sampleRate: number;
  /** Sample frames of every chunk but the last. */
  chunkFrames: number;
  /** By which the audio of the chunks was multiplied. */
  scale: number;
  /** Stems that are played together. */
  stems: readonly string[];
  /** Chunks that can be fetched, from the first on. */
  chunksReady: number;
  /** Sample frames of the whole song, as far as they are known. */
  totalFrames: number;
  /** Fetches one chunk of one stem, as a FLAC file. */
  fetchChunk: (stem: string, chunk: number, signal: AbortSignal) => Promise<ArrayBuffer>;
}

/** Frames from the start on that can be played. */
export const readyFrames = ({ chunksReady, chunkFrames, totalFrames }: Song): number =>
  Math.min(chunksReady * chunkFrames, totalFrames);
