/**
 * Finished stems that outlive the process that made them, so that a song is gone on with where it
 * was ended. The caller brings the place where they are kept.
 */
import { pcmBlocks } from '../audio/pcm.js';
import type { FileRange, Spool, SpoolWriter } from '../audio/spool.js';

interface Part {
  /** First frame within the part of the song that is separated. */
  offset: number;
  frames: number;
}

/** A run of finished frames: raw interleaved float32, in the spool of each output of the plan. */
export interface CheckpointPart extends Part {
  files: readonly FileRange[];
}

/** A run of frames that an earlier attempt finished. */
export interface KeptPart extends Part {
  /** For each output of the plan a function that reads the same bytes again. */
  outputs: readonly (() => Promise<AsyncIterable<Uint8Array>>)[];
}

export interface Checkpoints {
  /** Seconds of work between two parts. */
  readonly intervalSeconds: number;
  /** Parts that earlier attempts with the same plan left, in any order. */
  parts(): Promise<KeptPart[]>;
  /**
   * Keeps a copy of a part. Rejects only when the separation has to end for it.
   *
   * @returns whether it is kept; if not, the next part begins where this one does.
   */
  add(part: CheckpointPart): Promise<boolean>;
}

/** The longest run of parts from the first frame on, each beginning where the one before ends. */
export function connected<T extends Part>(parts: readonly T[]): T[] {
  const longest = new Map<number, T>();
  for (const part of parts) {
    if (part.frames > (longest.get(part.offset)?.frames ?? 0)) longest.set(part.offset, part);
  }
  const run: T[] = [];
  let end = 0;
  for (let next = longest.get(end); next; next = longest.get(end)) {
    run.push(next);
    end += next.frames;
  }
  return run;
}

/**
 * What earlier attempts finished, block by block from the first frame on: interleaved samples of each
 * output, in memory that is reused for the next block.
 */
export async function* keptBlocks(
  checkpoints: Checkpoints,
  mixture: Spool,
  outputCount: number,
): AsyncGenerator<Float32Array[], void, undefined> {
  const parts = connected(await checkpoints.parts());
  const end = parts.reduce((sum, { frames }) => sum + frames, 0);
  // They are of another song or plan, and of no use.
  if (end > mixture.frames || parts.some(({ outputs }) => outputs.length !== outputCount)) return;
  const read = async function* (open: KeptPart['outputs'][number]) {
    yield* pcmBlocks(await open(), mixture.channelCount);
  };
  for (const { offset, frames, outputs } of parts) {
    const readers = outputs.map(read);
    try {
      for (let missing = frames * mixture.channelCount; missing > 0;) {
        const results = await Promise.all(readers.map((reader) => reader.next()));
        const blocks = results.map(({ value }) => value ?? new Float32Array());
        const { length = 0 } = blocks[0] ?? {};
        if (length === 0 || length > missing || blocks.some((block) => block.length !== length)) {
          throw new Error(`The checkpoint at frame ${String(offset)} has a file of a wrong length`);
        }
        yield blocks;
        missing -= length;
      }
    } finally {
      await Promise.all(readers.map((reader) => reader.return()));
    }
  }
}

/** Hands over what was written to the outputs' spools, whenever the interval is over. */
export class CheckpointSchedule {
  readonly #checkpoints: Checkpoints;
  readonly #spools: readonly SpoolWriter[];
  #offset: number;
  #began = performance.now();

  /** Frames that the spools hold already are kept. */
  constructor(checkpoints: Checkpoints, spools: readonly SpoolWriter[]) {
    this.#checkpoints = checkpoints;
    this.#spools = spools;
    this.#offset = this.#framesWritten;
  }

  /** What was written since the last part needs no part at the end: it comes with the finished stems. */
  async keepIfDue(): Promise<void> {
    const seconds = (performance.now() - this.#began) / 1000;
    const frames = this.#framesWritten - this.#offset;
    if (seconds < this.#checkpoints.intervalSeconds || frames === 0) return;
    const offset = this.#offset;
    const files = await Promise.all(this.#spools.map((spool) => spool.rangeFrom(offset)));
    if (await this.#checkpoints.add({ offset, frames, files })) this.#offset += frames;
    this.#began = performance.now();
  }

  get #framesWritten(): number {
    return this.#spools[0]?.frames ?? 0;
  }
}
