/**
 * Decoded chunks near the position of a player. A chunk of four stems takes 14 MB, so only a few are
 * kept.
 */
import type { Song } from './song.js';

/** The same chunk of every stem. */
export type Chunk = ReadonlyMap<string, AudioBuffer>;

interface Entry {
  abort: AbortController;
  loading: Promise<Chunk>;
  ready?: Chunk;
}

export class ChunkCache {
  readonly #context: BaseAudioContext;
  readonly #entries = new Map<number, Entry>();

  /** @param context decodes, without resampling if it has the song's rate. */
  constructor(context: BaseAudioContext) {
    this.#context = context;
  }

  /** The chunk, if it is decoded. */
  get(chunk: number): Chunk | undefined {
    return this.#entries.get(chunk)?.ready;
  }

  /** Whether the chunk is decoded, or on its way. */
  has(chunk: number): boolean {
    return this.#entries.has(chunk);
  }

  /** Fetches and decodes the chunk. What failed is fetched again by the next call. */
  load(song: Song, chunk: number): Promise<Chunk> {
    const known = this.#entries.get(chunk);
    if (known) return known.loading;
    const abort = new AbortController();
    const entry: Entry = { abort, loading: this.#decode(song, chunk, abort.signal) };
    this.#entries.set(chunk, entry);
    entry.loading.then(
      (ready) => (entry.ready = ready),
      () => {
        if (this.#entries.get(chunk) === entry) this.#entries.delete(chunk);
      },
    );
    return entry.loading;
  }

  /** Lets go of all chunks but these. */
  keepOnly(chunks: ReadonlySet<number>): void {
    for (const [chunk, { abort }] of this.#entries) {
      if (chunks.has(chunk)) continue;
      this.#entries.delete(chunk);
      abort.abort();
    }
  }

  async #decode(song: Song, chunk: number, signal: AbortSignal): Promise<Chunk> {
    const buffers = await Promise.all(
      song.stems.map(async (name): Promise<[string, AudioBuffer]> => {
        const file = await song.fetchChunk(name, chunk, signal);
        return [name, await this.#context.decodeAudioData(file)];
      }),
    );
    return new Map(buffers);
  }
}
