/**
 * Where published files come from: Hugging Face, a mirror, or a folder.
 */
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DiskPlace } from '../lib/disk.js';
import { redactUrl } from '../lib/redact-url.js';
import { OxboardError } from '../errors.js';
import { HUB, type PublishedModel } from './catalogue.js';
import { displayUrl, type Http } from './http.js';
import { download, sha256OfFile, type RetryPolicy } from './download.js';

/** A published file on this machine, its checksum computed. */
export interface ObtainedFile {
  path: string;
  size: number;
  sha256: string;
  /** Whether its host named this checksum. */
  announced: boolean;
}

export interface Obtain {
  model: PublishedModel;
  file: string;
  /** What is known of the published file. */
  known: { size?: number; sha256?: string };
  /** Folder for a download. */
  folder: string;
  place: DiskPlace;
  signal: AbortSignal;
  onProgress: (received: number, total: number | undefined) => void;
  onNotice: (notice: string) => void;
}

export interface Source {
  /**
   * Whether it is the publisher's own. Who names another source may mean weights of their own in the
   * published format: those are installed too, but marked.
   */
  published: boolean;
  /** For messages and for the archive's `origin`. */
  describe: (model: PublishedModel) => string;
  /** Bytes that obtaining the file takes on the disk, if it is of that size. */
  diskUse: (size: number) => number;
  obtain: (task: Obtain) => Promise<ObtainedFile>;
}

export interface SourceOptions {
  http: Http;
  retry: RetryPolicy;
  token: string | undefined;
}

/**
 * @param source a URL or a folder; undefined: Hugging Face.
 * @throws OxboardError INVALID_OPTION
 */
export function openSource(source: string | undefined, options: SourceOptions): Source {
  if (source === undefined) return webSource(new URL(HUB), [hubLayout], true, options);
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(source)?.[1]?.toLowerCase();
  if (scheme === undefined) return folderSource(resolve(source));
  if (URL.canParse(source)) {
    const url = new URL(source);
    if (scheme === 'file') return folderSource(fileURLToPath(url));
    if (['http', 'https'].includes(scheme)) {
      return webSource(url, [hubLayout, modelLayout, flatLayout], false, options);
    }
  }
  throw new OxboardError(
    'INVALID_OPTION',
    `Expected an http or https URL or a folder for --source but received "${redactUrl(source.slice(0, 200))}"`,
  );
}

type Layout = (model: PublishedModel, file: string) => string;

/** As Hugging Face and its mirrors serve it. */
const hubLayout: Layout = ({ repository }, file) => `${repository}/resolve/main/${file}`;
const modelLayout: Layout = ({ name }, file) => `${name}/${file}`;
const flatLayout: Layout = (_model, file) => file;

function webSource(
  base: URL,
  layouts: readonly Layout[],
  published: boolean,
  { http, retry, token }: SourceOptions,
): Source {
  let candidates = layouts;
  const tokenAdvice = published
    ? `Set HF_TOKEN, or pass --token, to one that may read the model (${HUB}/settings/tokens makes ` +
      "them), and accept the model's conditions on its page if it has any"
    : 'Pass --token with one that it takes: HF_TOKEN is for Hugging Face alone';
  const address = (layout: Layout, model: PublishedModel, file: string): URL => {
    const url = new URL(base);
    url.pathname = `${base.pathname.replace(/\/+$/, '')}/${layout(model, file)}`;
    return url;
  };
  return {
    published,
    describe: ({ repository }) => (published ? `${HUB}/${repository}` : displayUrl(base)),
    diskUse: (size) => size,
    async obtain({ model, file: name, folder, known, ...task }) {
      const file = join(folder, name);
      const expected = published ? known : {};
      for (const layout of candidates) {
        try {
          const url = address(layout, model, name);
          const found = await download(http, {
            ...task,
            ...expected,
            url,
            token,
            tokenAdvice,
            file,
            retry,
          });
          candidates = [layout];
          return { ...found, path: file };
        } catch (error) {
          if (!isNotFound(error) || candidates.length === 1) throw error;
        }
      }
      const tried = candidates.map((layout) => displayUrl(address(layout, model, name)));
      throw notFound(name, tried);
    },
  };
}

function folderSource(root: string): Source {
  return {
    published: false,
    describe: () => root,
    diskUse: () => 0,
    async obtain({ model, file, signal, onProgress }) {
      const tried = [
        join(root, file),
        join(root, model.name, file),
        join(root, basename(model.repository), file),
        ...(await cachedByHub(root, model, file)),
      ];
      for (const path of tried) {
        const info = await stat(path).catch(() => undefined);
        if (!info?.isFile()) continue;
        const sha256 = await sha256OfFile(path, signal);
        onProgress(info.size, info.size);
        return { path, size: info.size, sha256, announced: false };
      }
      throw notFound(file, tried);
    },
  };
}

/** Where the Python packages keep what they downloaded: ~/.cache/huggingface/hub. */
async function cachedByHub(
  root: string,
  { repository }: PublishedModel,
  file: string,
): Promise<string[]> {
  const snapshots = join(root, `models--${repository.replace('/', '--')}`, 'snapshots');
  const revisions = await readdir(snapshots).catch(() => []);
  return revisions.map((revision) => join(snapshots, revision, file));
}

const isNotFound = (error: unknown): boolean =>
  error instanceof OxboardError && error.code === 'DOWNLOAD_NOT_FOUND';

const notFound = (file: string, tried: readonly string[]): OxboardError =>
  new OxboardError(
    'DOWNLOAD_NOT_FOUND',
    `The source does not have ${file}. It was looked for at ${tried.join(', ')}`,
  );
