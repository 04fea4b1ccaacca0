/**
 * The places that published files come from: Hugging Face, a Python package index, a mirror, or a folder.
 */
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DiskPlace } from '../lib/disk.js';
import { sha256OfFile } from '../lib/hash.js';
import { redactUrl } from '../lib/redact-url.js';
import { OxboardError } from '../errors.js';
import { retry } from '../lib/retry.js';
import { HUB, type PublishedModel } from './catalogue.js';
import type { Http } from './http.js';
import { displayUrl, TransientError } from './http-errors.js';
import { download, exhausted, type RetryPolicy } from './download.js';
import { findInIndex, packageIndex } from './package-index.js';

/** A published file on this machine. */
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
  /** Size and checksum of the published file, where known. */
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
   * Whether it is the publisher's own. Another source may have other weights in the same format: they are
   * installed as well, but marked.
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
 * @param source a URL or a folder; undefined: where the model is published.
 * @throws OxboardError INVALID_OPTION, INVALID_ENVIRONMENT
 */
export async function openSource(
  source: string | undefined,
  { host }: PublishedModel,
  options: SourceOptions,
): Promise<Source> {
  if (source === undefined) {
    return host === 'hub'
      ? webSource(new URL(HUB), [hubLayout], true, options)
      : indexSource(await packageIndex(), options);
  }
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(source)?.[1]?.toLowerCase();
  if (scheme === undefined) return folderSource(resolve(source));
  if (URL.canParse(source)) {
    const url = new URL(source);
    if (scheme === 'file') return folderSource(fileURLToPath(url));
    if (['http', 'https'].includes(scheme)) {
      const layouts =
        host === 'hub' ? [hubLayout, modelLayout, flatLayout] : [modelLayout, flatLayout];
      return webSource(url, layouts, false, options);
    }
  }
  throw new OxboardError(
    'INVALID_OPTION',
    `Expected an http or https URL or a folder for --source but received "${redactUrl(source.slice(0, 200))}"`,
  );
}

type Layout = (model: PublishedModel, file: string) => string;

/** The layout of Hugging Face and its mirrors. */
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

/** A Python package index: its page about the package says where the file lies. */
function indexSource(index: URL, { http, retry: policy }: SourceOptions): Source {
  const delaysMs = Array.from({ length: policy.attempts - 1 }, (_, failures) =>
    Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** failures),
  );
  return {
    published: true,
    describe: ({ repository }) => `${displayUrl(index)}${repository}/`,
    diskUse: (size) => size,
    async obtain({ model, file: name, folder, known, ...task }) {
      const { signal, onNotice } = task;
      const find = () =>
        findInIndex(http, { index, project: model.repository, file: name }, signal);
      const url = await retry(find, {
        delaysMs,
        isTransient: (error) => error instanceof TransientError,
        onRetry: (error) => onNotice(`${(error as Error).message}; trying again`),
        signal,
      }).catch((error: unknown) => {
        throw error instanceof TransientError ? exhausted(index, error) : error;
      });
      const file = join(folder, name);
      const tokenAdvice = 'Put a name and a password for it into PIP_INDEX_URL';
      const found = await download(http, {
        ...task,
        ...known,
        url,
        tokenAdvice,
        file,
        retry: policy,
      });
      return { ...found, path: file };
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
        const sha256 = await sha256OfFile(path, { signal });
        onProgress(info.size, info.size);
        return { path, size: info.size, sha256, announced: false };
      }
      throw notFound(file, tried);
    },
  };
}

/** The layout of ~/.cache/huggingface/hub, where Python packages keep their downloads. */
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
