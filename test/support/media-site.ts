/**
 * A site with media, for yt-dlp; and the processes that were started for a download.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { listen } from './listen.js';

export interface MediaSite {
  /** Host and port, as YOUTUBE_ALLOWED_HOSTS has it. */
  host: string;
  url: (path: string) => string;
  /** Paths that were asked for, in order. */
  asked: string[];
  pages: Record<string, RequestListener>;
}

export async function startMediaSite(
  context: { after: (hook: () => void) => void },
  pages: Record<string, RequestListener> = {},
): Promise<MediaSite> {
  const server = createServer((request, response) => {
    const path = request.url ?? '/';
    site.asked.push(path);
    const page = site.pages[path];
    if (page) page(request, response);
    else response.writeHead(404).end('nothing here');
  });
  const host = await listen(context, server);
  const site: MediaSite = { host, url: (path) => `http://${host}${path}`, asked: [], pages };
  return site;
}

export const file =
  (bytes: Buffer, type = 'audio/mpeg'): RequestListener =>
  (_request, response) => {
    response.writeHead(200, { 'Content-Type': type, 'Content-Length': bytes.length }).end(bytes);
  };

export const html =
  (body: string): RequestListener =>
  (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html' }).end(body);
  };

/** Sends the first half; the rest never comes. */
export const stalling =
  (bytes: Buffer): RequestListener =>
  (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'audio/mpeg', 'Content-Length': bytes.length });
    response.write(bytes.subarray(0, bytes.length / 2));
  };

/** Ids of the processes that have their temporary files below `folder`: yt-dlp and what it started. */
export function downloadersIn(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => environmentOf(pid).includes(`TMPDIR=${folder}`))
    .map(Number);
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return '';
  }
}
