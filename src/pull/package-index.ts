/**
 * Python package indexes, as pip uses them: which one this machine is set up for, and where a file of a
 * package lies.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { OxboardError } from '../errors.js';
import { redactUrl } from '../lib/redact-url.js';
import { PACKAGE_INDEX } from './catalogue.js';
import { BrokenBody, readBody } from './download.js';
import type { Http } from './http.js';
import { connectionError, displayUrl } from './http-errors.js';

/** Pages of indexes have a line for each file of a package: kilobytes. */
const MAX_PAGE_BYTES = 16e6;
const ACCEPT = 'application/vnd.pypi.simple.v1+json, text/html;q=0.5';

/**
 * The index that pip uses here: PIP_INDEX_URL, else `index-url` of pip's configuration files, else PyPI.
 *
 * @throws OxboardError INVALID_ENVIRONMENT for one that is no http or https URL.
 */
export async function packageIndex(variables: NodeJS.ProcessEnv = process.env): Promise<URL> {
  // An empty value is unset.
  const env = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
  const url = env.PIP_INDEX_URL ?? (await configuredIndex(env)) ?? PACKAGE_INDEX;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed && ['http:', 'https:'].includes(parsed.protocol)) {
    parsed.pathname = `${parsed.pathname.replace(/\/+$/, '')}/`;
    return parsed;
  }
  throw new OxboardError(
    'INVALID_ENVIRONMENT',
    `Expected an http or https URL for pip's index-url (PIP_INDEX_URL or its configuration) but found ` +
      `"${redactUrl(url.slice(0, 200))}". With --source you can name a folder that holds the wheel`,
  );
}

/** pip reads all of these; later ones count more. */
function configurationFiles(env: NodeJS.ProcessEnv): string[] {
  const { PIP_CONFIG_FILE: named, XDG_CONFIG_DIRS, XDG_CONFIG_HOME, VIRTUAL_ENV } = env;
  const home = env.HOME ?? homedir();
  if (named === '/dev/null') return [];
  const system = (XDG_CONFIG_DIRS ?? '/etc/xdg').split(delimiter);
  return [
    ...system.map((folder) => join(folder, 'pip/pip.conf')),
    '/etc/pip.conf',
    '/Library/Application Support/pip/pip.conf',
    join(home, '.pip/pip.conf'),
    join(XDG_CONFIG_HOME ?? join(home, '.config'), 'pip/pip.conf'),
    join(home, 'Library/Application Support/pip/pip.conf'),
    ...(VIRTUAL_ENV ? [join(VIRTUAL_ENV, 'pip.conf')] : []),
    ...(named ? [named] : []),
  ];
}

async function configuredIndex(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const texts = await Promise.all(
    configurationFiles(env).map((file) => readFile(file, 'utf8').catch(() => '')),
  );
  const found = texts.map(indexUrlsOf);
  // What is said of downloads counts more than what is said of everything.
  return (
    found.findLast(({ download }) => download !== undefined)?.download ??
    found.findLast(({ global }) => global !== undefined)?.global
  );
}

/** `index-url` of the sections of one file. */
function indexUrlsOf(content: string): Partial<Record<string, string>> {
  const found: Record<string, string> = {};
  let section = '';
  for (const line of content.split(/\r?\n/)) {
    section = /^\[([^\]]+)\]/.exec(line)?.[1] ?? section;
    const url = /^index[-_]url\s*[=:]\s*(\S+)/.exec(line)?.[1];
    if (url !== undefined) found[section] = url;
  }
  return found;
}

const pageSchema = z.object({ files: z.array(z.object({ url: z.string() })) });

/**
 * Where a file of a package lies. The index may answer in JSON or, like most mirrors, in HTML.
 *
 * @param index ends in a slash; a name and a password in it go to its host alone.
 * @throws TransientError; OxboardError DOWNLOAD_NOT_FOUND, DOWNLOAD_UNAUTHORISED, DOWNLOAD_FAILED;
 * `signal.reason` when aborted.
 */
export async function findInIndex(
  http: Http,
  { index, project, file }: { index: URL; project: string; file: string },
  signal: AbortSignal,
): Promise<URL> {
  const page = new URL(`${project}/`, index);
  const { body, header, url } = await http.get(page, {
    headers: { accept: ACCEPT },
    tokenAdvice: 'Put a name and a password for it into PIP_INDEX_URL',
    signal,
  });
  const content = await readPage(body, page);
  const links = header('content-type')?.includes('json') ? inJson(content) : inHtml(content);
  for (const link of links) {
    if (!URL.canParse(link, url.href)) continue;
    const target = new URL(link, url.href);
    const isWeb = ['http:', 'https:'].includes(target.protocol);
    if (!isWeb || !target.pathname.endsWith(`/${encodeURIComponent(file)}`)) continue;
    target.hash = '';
    if (target.origin === index.origin && target.username === '') {
      target.username = index.username;
      target.password = index.password;
    }
    return target;
  }
  throw new OxboardError(
    'DOWNLOAD_NOT_FOUND',
    `${displayUrl(page)} does not list ${file}. Set PIP_INDEX_URL to another index, or try --source`,
  );
}

async function readPage(body: Readable, page: URL): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of readBody(body)) {
      bytes += chunk.length;
      if (bytes > MAX_PAGE_BYTES) {
        const problem = `${displayUrl(page)} is too large for a page of a package index`;
        throw new OxboardError('DOWNLOAD_FAILED', problem);
      }
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof BrokenBody ? connectionError(error.cause, page) : error;
  } finally {
    body.destroy();
  }
  return Buffer.concat(chunks).toString();
}

function inJson(content: string): string[] {
  try {
    return pageSchema.parse(JSON.parse(content)).files.map(({ url }) => url);
  } catch {
    return [];
  }
}

function inHtml(content: string): string[] {
  const links = content.matchAll(/<a\s[^>]*?href\s*=\s*(?:"([^"]*)"|'([^']*)')/gi);
  return [...links].map(([, double, single]) => (double ?? single ?? '').replaceAll('&amp;', '&'));
}
