/**
 * Chunks of stems for players: what those who make them and those who serve them must agree on.
 */

/** Frames of a chunk; the last one of a song is shorter. */
export const CHUNK_FRAMES = 441_000;

/** Samples are multiplied by it, so that what is louder than full scale is not clipped. */
export const CHUNK_SCALE = 0.25;

/** Frames for which a waveform has one pixel. */
export const FRAMES_PER_PIXEL = 256;

/** Lowest and highest sample of a pixel, 8 bits each. */
export const BYTES_PER_PIXEL = 2;

/** Name of the song itself among the stems that can be played. */
export const MIXTURE = 'mixture';

/** Chunks in a song of so many frames. */
export const chunkCount = (frames: number): number => Math.ceil(frames / CHUNK_FRAMES);

/** Pixels that are complete in the first `chunks` chunks of a song of so many frames. */
export const pixelCount = (chunks: number, frames: number): number =>
  chunks >= chunkCount(frames)
    ? Math.ceil(frames / FRAMES_PER_PIXEL)
    : Math.floor((chunks * CHUNK_FRAMES) / FRAMES_PER_PIXEL);
