/**
 * Pulls a published model: downloads and checks its files, makes an archive of them, runs it once, and
 * moves it into place.
 *
 * All this happens in `<models folder>/.pull`, so that the last step is a rename within one file
 * system. `<name>/` holds the downloads and the unfinished archive, `<name>.lock` is the lock, and
 * `<name>.checksums.json` records the checksums of files for which none is published. An interrupted
 * pull leaves its downloads there for the next one.
 */
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { diskError, requireFreeSpace, type DiskPlace } from '../lib/disk.js';
import { OxboardError, type ErrorCode } from '../errors.js';
import { readArchive, verifyModel, type ModelDescription } from '../models/archive.js';
import {
  archiveSize,
  fileSize,
  findPublished,
  requireLicense,
  type PublishedFile,
  type PublishedMember,
  type PublishedModel,
} from './catalogue.js';
import { openHttp, TIMEOUTS, type Timeouts } from './http.js';
import { RETRY_POLICY, type RetryPolicy } from './download.js';
import { installFolder, PUBLISHED_NAMES } from '../models/library.js';
import { install, writeArchive, type Assemble } from './install.js';
import { isLocked, withLock } from './lock.js';
import { ChecksumRecord, type Check } from './unpublished-checksums.js';
import { openSource, type ObtainedFile, type Source } from './weights-source.js';
import { listSkeletons } from './skeletons.js';

/** Loads the archive `name` of a models folder and runs it once. */
export type Verify = (name: string, modelsDir: string, signal: AbortSignal) => Promise<void>;

export type PullStage = 'waiting' | 'downloading' | 'assembling' | 'verifying';

export interface PullProgress {
  stage: PullStage;
  /** Of the stage, from 0 to 1. */
  fraction: number;
  /** Of the downloads. The total is an estimate until the last file has begun. */
  bytes: number;
  bytesTotal: number;
}

export interface PullOptions {
  modelsDir?: string | undefined;
  /** A mirror's URL or a folder; undefined: where the model is published. */
  source?: string | undefined;
  /** Sent to the source's host, and nowhere else; a Python package index gets none. */
  token?: string | undefined;
  /** Refuses a model whose publisher states no license for the weights. */
  requireLicense?: boolean | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: PullProgress) => void) | undefined;
  /** Called with sentences for the user: a broken connection, a file without a published checksum. */
  onNotice?: ((notice: string) => void) | undefined;
  assemble: Assemble;
  verify: Verify;
  retry?: Partial<RetryPolicy> | undefined;
  timeouts?: Partial<Timeouts> | undefined;
  /** After so long the lock of a killed process is ignored. */
  lockStaleMs?: number | undefined;
}

export interface PulledFile {
  file: string;
  size: number;
  sha256: string;
  check: Check;
  /** Its published checksum, when it differs. */
  differsFrom?: string;
}

export interface PullResult {
  name: string;
  directory: string;
  /** False: it was installed and intact before. */
  pulled: boolean;
  description: ModelDescription;
  /** What was fetched; empty when nothing was. */
  files: PulledFile[];
}

const ADVICE =
  'Free some space, or choose another folder with --models-dir. What has been downloaded is kept';
/** Errors that a wrong file leads to. */
const WRONG_FILE: readonly ErrorCode[] = [
  'DOWNLOAD_CORRUPT',
  'MODEL_INVALID',
  'MODEL_ARCHITECTURE_UNKNOWN',
];
/** For small files and the file system's rounding. */
const SPARE_BYTES = 20e6;

/**
 * Installs a published model. An intact one of that name is left as it is; a damaged one is replaced.
 *
 * @throws OxboardError MODEL_UNKNOWN, LICENSE_NOT_STATED, MODEL_INVALID, MODEL_BUSY, DOWNLOAD_FAILED,
 * DOWNLOAD_UNAUTHORISED, DOWNLOAD_NOT_FOUND, DOWNLOAD_CORRUPT, DISK_FULL, OUTPUT_UNWRITABLE,
 * INVALID_OPTION, and what `assemble` and `verify` throw; `signal.reason` when aborted.
 */
export async function pullModel(name: string, options: PullOptions): Promise<PullResult> {
  const { token, onNotice = ignore, onProgress = ignore } = options;
  const outer = options.signal ?? new AbortController().signal;
  outer.throwIfAborted();
  const model = findPublished(name);
  if (options.requireLicense) requireLicense(model);
  const http = await openHttp({ ...TIMEOUTS, ...options.timeouts });
  try {
    const retry = { ...RETRY_POLICY, ...options.retry };
    const source = await openSource(options.source, model, { http, retry, token });
    const folder = installFolder(options);
    const installed = await intact(model, folder, outer, onNotice);
    if (installed) return installed;
    const place = { name: folder, advice: ADVICE };
    await writing(place, () => mkdir(home(folder), { recursive: true }));
    const lock = {
      signal: outer,
      staleMs: options.lockStaleMs,
      onWait: () => {
        onNotice(`Another process is pulling ${name}: waiting for it to end`);
        onProgress({ stage: 'waiting', fraction: 0, bytes: 0, bytesTotal: 0 });
      },
    };
    return await withLock(
      lockOf(home(folder), name),
      lock,
      async (signal) =>
        (await intact(model, folder, signal, ignore)) ??
        (await new Pull(model, source, folder, place, options, signal).run()),
    );
  } finally {
    await http.close();
  }
}

/**
 * Deletes the downloads of an interrupted pull.
 *
 * @returns the folder that was removed; undefined when there was none.
 * @throws OxboardError MODEL_BUSY while a pull is running.
 */
export async function removeUnfinished(
  name: string,
  options: { modelsDir?: string | undefined },
): Promise<string | undefined> {
  if (!PUBLISHED_NAMES.includes(name)) return undefined;
  const folder = home(installFolder(options));
  const work = join(folder, name);
  if (!(await stat(work).catch(() => undefined))) return undefined;
  if (await isLocked(lockOf(folder, name))) {
    throw new OxboardError(
      'MODEL_BUSY',
      `${name} is being pulled, or was until a moment ago. End that pull, and run the command again`,
    );
  }
  await rm(work, { recursive: true, force: true });
  return work;
}

const ignore = () => undefined;
/** Where pulls of a models folder work. */
const home = (folder: string): string => join(folder, '.pull');
const lockOf = (folder: string, name: string): string => join(folder, `${name}.lock`);

/** The intact model of that name, if there is one. */
async function intact(
  model: PublishedModel,
  folder: string,
  signal: AbortSignal,
  onNotice: (notice: string) => void,
): Promise<PullResult | undefined> {
  const directory = join(folder, model.name);
  try {
    const installed = await readArchive(directory, false);
    await verifyModel(installed, signal);
    const { description } = installed;
    return { name: model.name, directory, pulled: false, description, files: [] };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof OxboardError)) throw error;
    if (error.code !== 'MODEL_NOT_FOUND') {
      onNotice(`The installed ${model.name} is damaged and is pulled anew: ${error.message}`);
    }
    return undefined;
  }
}

/** Does some writing, with errors that name the place. */
async function writing<T>(place: DiskPlace, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw diskError(error, place);
  }
}

/** One pull, by the holder of the lock. */
class Pull {
  /** Each network once, even if a bag uses it twice. */
  readonly #members: readonly PublishedMember[];
  readonly #work: string;
  /** A models folder that holds nothing but the archive being made. */
  readonly #staging: string;

  constructor(
    readonly model: PublishedModel,
    readonly source: Source,
    readonly folder: string,
    readonly place: DiskPlace,
    readonly options: PullOptions,
    readonly signal: AbortSignal,
  ) {
    const bySignature = new Map(model.members.map((member) => [member.signature, member]));
    this.#members = [...bySignature.values()];
    this.#work = join(home(folder), model.name);
    this.#staging = join(this.#work, 'archive');
  }

  async run(): Promise<PullResult> {
    const { model, place, signal, options } = this;
    const { name } = model;
    await writing(place, async () => {
      await rm(this.#staging, { recursive: true, force: true });
      await mkdir(this.#work, { recursive: true });
    });
    await this.#checkSpace();
    const record = await ChecksumRecord.read(join(home(this.folder), `${name}.checksums.json`));
    const files: PulledFile[] = [];
    let description: ModelDescription;
    try {
      const weights = await this.#obtainAll(record, files);
      description = await this.#assemble(weights, files);
    } catch (error) {
      // A wrong file without a published checksum must not be used by the next pull.
      const wrong = error instanceof OxboardError && WRONG_FILE.includes(error.code);
      if (wrong) await this.#discardUnchecked(files);
      throw error;
    }
    this.#report('verifying', 0);
    await options.verify(name, this.#staging, signal);
    signal.throwIfAborted();
    const directory = join(this.folder, name);
    await writing(place, async () => {
      await this.#record(record, files);
      await install(join(this.#staging, name), directory, join(this.#work, 'replaced'));
    });
    await rm(this.#work, { recursive: true, force: true });
    return { name, directory, pulled: true, description, files };
  }

  async #checkSpace(): Promise<void> {
    const sizes = this.#members.map(({ weightsFile }) => fileSize(this.model, weightsFile));
    const unpacked = this.model.family === 'spleeter' ? archiveSize(this.model) : 0;
    const needed =
      this.source.diskUse(sum(sizes)) + unpacked + archiveSize(this.model) + SPARE_BYTES;
    const there = await sizeOfFiles(this.#work);
    await requireFreeSpace(this.folder, needed - there, this.place);
  }

  /** @param files each file is added to it as soon as it is there. */
  async #obtainAll(record: ChecksumRecord, files: PulledFile[]): Promise<Map<string, string>> {
    const { model } = this;
    const received = this.#members.map(() => 0);
    const expected = this.#members.map(({ weightsFile }) => fileSize(model, weightsFile));
    const weights = new Map<string, string>();
    for (const [index, { signature, weightsFile }] of this.#members.entries()) {
      const found = await this.#obtain(weightsFile, (bytes, total) => {
        received[index] = bytes;
        expected[index] = Math.max(bytes, total ?? expected[index] ?? 0);
        const [done, all] = [sum(received), sum(expected)];
        this.#report('downloading', done / all, done, all);
      });
      const { path, size, sha256, announced } = found;
      const pulled: PulledFile = { file: weightsFile.file, size, sha256, check: 'none' };
      files.push(pulled);
      const { sha256: known } = weightsFile;
      if (known === sha256) pulled.check = 'published';
      else {
        pulled.check = record.check(pulled.file, sha256, announced);
        if (known !== undefined) pulled.differsFrom = known;
      }
      weights.set(signature, path);
    }
    return weights;
  }

  async #assemble(
    weights: ReadonlyMap<string, string>,
    files: readonly PulledFile[],
  ): Promise<ModelDescription> {
    const { model, source, place, signal, options } = this;
    const torch = (await listSkeletons())[0]?.torch;
    return writing(place, () =>
      writeArchive(join(this.#staging, model.name), {
        model,
        weights,
        origin: `${source.describe(model)}: ${files.map(fingerprint).join(', ')}`,
        published: files.every(({ differsFrom }) => differsFrom === undefined),
        torch,
        assemble: options.assemble,
        onProgress: (fraction) => this.#report('assembling', fraction),
        signal,
      }),
    );
  }

  async #discardUnchecked(files: readonly PulledFile[]): Promise<void> {
    const unchecked = files.filter(({ check }) => check !== 'published');
    await Promise.all(unchecked.map(({ file }) => rm(join(this.#work, file), { force: true })));
  }

  /** Records the checksums of files for which none is published: later pulls are compared with them. */
  async #record(record: ChecksumRecord, files: readonly PulledFile[]): Promise<void> {
    const unpublished = files.filter(({ check }) => check !== 'published');
    await record.add(unpublished, this.source.describe(this.model));
    const { onNotice = ignore } = this.options;
    for (const { file, sha256, differsFrom } of unpublished) {
      if (differsFrom === undefined) continue;
      onNotice(
        `${file} is not the published file (SHA-256 ${short(sha256)} instead of ` +
          `${short(differsFrom)}): the model is marked so`,
      );
    }
    const fresh = unpublished.filter(({ check }) => check === 'none');
    if (fresh.length === 0) return;
    onNotice(
      `Nothing to compare with was known for ${fresh.map(fingerprint).join(', ')}: what was found ` +
        'is recorded, and later pulls are held to it',
    );
  }

  #obtain(
    { file, ...known }: PublishedFile,
    onProgress: (bytes: number, total: number | undefined) => void,
  ): Promise<ObtainedFile> {
    const { model, place, signal, options } = this;
    const { onNotice = ignore } = options;
    const folder = this.#work;
    return this.source.obtain({ model, file, known, folder, place, signal, onProgress, onNotice });
  }

  #report(stage: PullStage, fraction: number, bytes = 0, bytesTotal = 0): void {
    this.options.onProgress?.({ stage, fraction, bytes, bytesTotal });
  }
}

const short = (sha256: string): string => sha256.slice(0, 16);
const fingerprint = ({ file, sha256 }: PulledFile): string => `${file} (${short(sha256)})`;

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

/** Bytes of the files in a folder, not of those below it. */
async function sizeOfFiles(directory: string): Promise<number> {
  const names = await readdir(directory);
  const infos = await Promise.all(names.map((name) => stat(join(directory, name))));
  return sum(infos.map((info) => (info.isFile() ? info.size : 0)));
}
