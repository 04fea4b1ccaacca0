/**
 * Finished stems that outlive the process that made them, so that a song is gone on with where it
 * was ended. The caller brings the place where they are kept.
 */
import type { PcmFormat } from '../audio/pcm.js';
import { SpoolWriter } from '../audio/spool.js';
import type { Workspace } from './workspace.js';

/** A run of finished frames: one file of raw interleaved float32 for each output of the plan. */
export interface CheckpointPart {
  /** First frame within the song. */
  offset: number;
  frames: number;
  files: string[];
}

export interface Checkpoints {
  /** Seconds of work between two parts. */
  readonly intervalSeconds: number;
  /** Parts that earlier attempts with the same plan left, as local files, in any order. */
  parts(): Promise<CheckpointPart[]>;
  /** Keeps a part; it may take the files away. Rejects only when the separation has to end for it. */
  add(part: CheckpointPart): Promise<void>;
}

/** The longest run of parts from the first frame on, each beginning where the one before ends. */
export function connected(parts: readonly CheckpointPart[]): CheckpointPart[] {
  const longest = new Map<number, CheckpointPart>();
  for (const part of parts) {
    if (part.frames > (longest.get(part.offset)?.frames ?? 0)) longest.set(part.offset, part);
  }
  const run: CheckpointPart[] = [];
  let end = 0;
  for (let next = longest.get(end); next; next = longest.get(end)) {
    run.push(next);
    end += next.frames;
  }
  return run;
}

/** Cuts what is written into parts by time, and hands each over. */
export class CheckpointWriter {
  readonly #checkpoints: Checkpoints;
  readonly #workspace: Workspace;
  readonly #format: PcmFormat;
  readonly #outputs: number;
  #offset: number;
  #begun = performance.now();
  #writers: SpoolWriter[] = [];

  /** @param offset the first frame that will be written. */
  constructor(
    checkpoints: Checkpoints,
    workspace: Workspace,
    format: PcmFormat,
    outputs: number,
    offset: number,
  ) {
    this.#checkpoints = checkpoints;
    this.#workspace = workspace;
    this.#format = format;
    this.#outputs = outputs;
    this.#offset = offset;
  }

  /** @param rows for each output one array per channel. */
  async write(rows: readonly (readonly Float32Array[])[]): Promise<void> {
    if (this.#writers.length === 0) await this.#open();
    await Promise.all(this.#writers.map((writer, index) => writer.write(rows[index] ?? [])));
    const seconds = (performance.now() - this.#begun) / 1000;
    if (seconds >= this.#checkpoints.intervalSeconds) await this.#handOver();
  }

  /** What was written since the last part is given up: it comes with the finished stems. */
  async close(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.close()));
  }

  async #open(): Promise<void> {
    for (let output = 0; output < this.#outputs; output++) {
      const file = `part-${String(this.#offset)}-${String(output)}.f32`;
      this.#writers.push(await SpoolWriter.create(this.#workspace.path(file), this.#format));
    }
  }

  async #handOver(): Promise<void> {
    const spools = await Promise.all(this.#writers.map((writer) => writer.finish()));
    this.#writers = [];
    const { frames = 0 } = spools[0] ?? {};
    const files = spools.map(({ path }) => path);
    await this.#checkpoints.add({ offset: this.#offset, frames, files });
    this.#offset += frames;
    this.#begun = performance.now();
  }
}
