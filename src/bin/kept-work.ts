/**
 * What `oxboard separate --resume` keeps of a song beside the output, until the song is done.
 */
import { existsSync } from 'node:fs';
import { rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import {
  connected,
  type CheckpointPart,
  type Checkpoints,
  type KeptPart,
} from '../separation/checkpoints.js';
import { FileStorage } from '../storage/file-storage.js';
import { StoredCheckpoints } from '../worker/stored-checkpoints.js';

const FOLDER = '.oxboard-resume';
/** How much of the time goes into keeping, at most. */
const SHARE_OF_TIME = 0.05;

export interface KeptWorkOptions {
  /** The output folder of the model. */
  folder: string;
  /** Hash of the song; work with other options is kept beside, and goes with it. */
  song: string;
  /** Hash of all that decides the bytes of the stems. */
  signature: string;
  /** Told the sample frames that need not be computed again. */
  onResumed: (frames: number) => void;
  /** Told once that nothing is kept, and why. */
  onFailed: (error: unknown) => void;
  signal: AbortSignal;
}

export class KeptWork implements Checkpoints {
  readonly #options: KeptWorkOptions;
  #stored: Promise<StoredCheckpoints> | undefined;
  #addSeconds = 0;
  #resumed = false;
  #failed = false;

  constructor(options: KeptWorkOptions) {
    this.#options = options;
  }

  get intervalSeconds(): number {
    return this.#addSeconds / SHARE_OF_TIME;
  }

  /** Whether there was something to go on from. */
  get resumed(): boolean {
    return this.#resumed;
  }

  async parts(): Promise<KeptPart[]> {
    // The folder is made for the first part: what is stopped earlier leaves nothing.
    if (!existsSync(this.#place)) return [];
    const parts = await (await this.#open()).parts();
    const frames = connected(parts).reduce((sum, part) => sum + part.frames, 0);
    this.#resumed = frames > 0;
    if (this.#resumed) this.#options.onResumed(frames);
    return parts;
  }

  async add(part: CheckpointPart): Promise<boolean> {
    const began = performance.now();
    try {
      return await (await this.#open()).add(part);
    } catch (error) {
      this.#options.signal.throwIfAborted();
      this.#fail(error);
      return false;
    } finally {
      this.#addSeconds = (performance.now() - began) / 1000;
    }
  }

  get #place(): string {
    return path.join(this.#options.folder, FOLDER);
  }

  #open(): Promise<StoredCheckpoints> {
    this.#stored ??= this.#openStorage();
    return this.#stored;
  }

  async #openStorage(): Promise<StoredCheckpoints> {
    const { song, signature, signal } = this.#options;
    const nothing = () => undefined;
    return new StoredCheckpoints({
      storage: await FileStorage.open(this.#place),
      prefix: `${song}/${signature}`,
      interval: () => this.intervalSeconds,
      onKept: () => Promise.resolve(),
      signal,
      logger: {
        error: nothing,
        info: nothing,
        debug: nothing,
        warn: (event, { error } = {}) => {
          // What cannot be used is computed again.
          if (event === 'checkpoint_failed') this.#fail(error);
        },
      },
    });
  }

  #fail(error: unknown): void {
    if (!this.#failed) this.#options.onFailed(error);
    this.#failed = true;
  }
}

/** Removes what is kept of a song that is done. */
export async function removeKeptWork(folder: string, song: string): Promise<void> {
  const place = path.join(folder, FOLDER);
  await rm(path.join(place, song), { recursive: true, force: true });
  // Other songs may have some there.
  await rmdir(place).catch(() => undefined);
}
