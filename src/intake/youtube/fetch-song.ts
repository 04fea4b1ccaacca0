/**
 * From a link to a file with its audio.
 */
import { mkdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { OxboardError } from '../../errors.js';
import { tooLong } from '../../audio/probe.js';
import { ageOf, findYtDlp } from './binary.js';
import { explainFailure } from './failures.js';
import { openGuard } from './guard.js';
import { runYtDlp, YtDlpFailure, type YtDlpRun } from './run.js';
import { isYoutube, manyVideos, parseYoutubeUrl } from './url.js';

/** Milliseconds that yt-dlp has for looking at a video, and for downloading it. */
const LOOK_MS = 180_000;
const DOWNLOAD_MS = 1_200_000;

const LONGEST_TITLE = 190;

export interface YoutubeSettings {
  /** See findYtDlp. */
  ytDlpPath: string | undefined;
  /** See parseYoutubeUrl and openGuard. */
  allowedHosts: readonly string[];
  /** Format selection of yt-dlp; undefined: see runYtDlp. */
  format?: string | undefined;
  /** Seconds. */
  maxDuration: number;
  /** Bytes. */
  maxFileSize: number;
  /** Where yt-dlp keeps what it knows of a site from one call to the next. */
  cacheDirectory: string;
}

export interface FetchedSong {
  path: string;
  /** As of a file: its title and the extension of its kind. */
  name: string;
}

export interface FetchOptions {
  /** An empty folder, for this call alone. */
  directory: string;
  signal: AbortSignal;
  /** @param fraction of the download, from 0 to 1. */
  onProgress: (fraction: number) => void;
}

const bytes = z.number().positive().nullish().catch(null);
/** As much of yt-dlp's description of a video as is needed. */
const description = z.looseObject({
  _type: z.string().default('video'),
  title: z.string().catch(''),
  ext: z.string().catch(''),
  duration: z.number().nullish().catch(null),
  live_status: z.string().nullish().catch(null),
  is_live: z.boolean().nullish().catch(null),
  filesize: bytes,
  filesize_approx: bytes,
});

/**
 * Looks at the video first: what is live, too long or too large is not downloaded.
 *
 * @throws OxboardError YOUTUBE_* and what parseYoutubeUrl throws; ADDRESS_NOT_PUBLIC, AUDIO_TOO_LONG,
 * FILE_TOO_LARGE; `signal.reason`
 */
export async function fetchSong(
  link: string,
  settings: YoutubeSettings,
  { directory, signal, onProgress }: FetchOptions,
): Promise<FetchedSong> {
  const { allowedHosts, cacheDirectory, format, maxFileSize } = settings;
  const url = parseYoutubeUrl(link, allowedHosts);
  const { path: binary } = await findYtDlp(settings.ytDlpPath);
  await mkdir(cacheDirectory, { recursive: true });
  const guard = await openGuard(allowedHosts);
  let said = '';

  const call = (
    { flags, ...own }: Pick<YtDlpRun, 'flags' | 'url' | 'onLine'>,
    ...signals: AbortSignal[]
  ) =>
    runYtDlp({
      ...own,
      binary,
      directory,
      cacheDirectory,
      proxy: guard.url,
      // Nothing on YouTube is to be read as a page of some other site.
      flags: {
        ...(format !== undefined && { format }),
        ...(isYoutube(url) && { useExtractors: 'youtube.*' }),
        ...flags,
      },
      signal: AbortSignal.any(signals),
    });
  const age = async () => {
    const version = await call({ flags: { version: true } }, signal).catch(() => undefined);
    return version && ageOf(version.stdout);
  };
  /** With a limit of time, and failures in our terms. */
  const run = async (own: Parameters<typeof call>[0], milliseconds: number, stop: AbortSignal) => {
    const late = AbortSignal.timeout(milliseconds);
    try {
      const { stdout, stderr } = await call(own, stop, late);
      said += stderr;
      return stdout;
    } catch (error) {
      stop.throwIfAborted();
      if (late.aborted) {
        throw new OxboardError('YOUTUBE_NETWORK', 'The site is too slow. Try again later');
      }
      if (!(error instanceof YtDlpFailure)) throw error;
      if (guard.refusal) throw guard.refusal;
      throw explainFailure(said + error.said, await age());
    }
  };

  try {
    const json = await run(
      { flags: { dumpSingleJson: true, flatPlaylist: true, playlistItems: '1' }, url },
      LOOK_MS,
      signal,
    );
    const video = check(parsed(json), settings);
    const infoFile = path.join(directory, 'info.json');
    await writeFile(infoFile, json);

    const tooMuch = new AbortController();
    const file = path.join(directory, NAME);
    const output = await run(
      {
        flags: {
          loadInfoJson: infoFile,
          // In its directory: a whole path may have signs that mean something to it.
          output: NAME,
          maxFilesize: String(maxFileSize),
          noMtime: true,
          newline: true,
          progress: true,
          progressTemplate: `download:${PROGRESS} %(progress.downloaded_bytes)s %(progress.total_bytes)s %(progress.total_bytes_estimate)s`,
        },
        onLine: (line) => {
          const progress = readProgress(line);
          if (!progress) return;
          if (progress.done > maxFileSize) tooMuch.abort(tooLarge(maxFileSize));
          onProgress(Math.min(1, progress.done / (progress.total ?? maxFileSize)));
        },
      },
      DOWNLOAD_MS,
      AbortSignal.any([signal, tooMuch.signal]),
    );
    if (output.includes('larger than max-filesize')) throw tooLarge(maxFileSize);
    const { size } = await stat(file).catch(() => ({ size: 0 }));
    if (size === 0) throw explainFailure(`ERROR: Did not get any data\n${said}`, undefined);
    if (size > maxFileSize) throw tooLarge(maxFileSize);
    return { path: file, name: nameOf(video) };
  } finally {
    await guard.close();
  }
}

/** Undefined when yt-dlp did not say what it was asked for. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function check(info: unknown, { maxDuration, maxFileSize }: YoutubeSettings) {
  if (info === undefined) throw explainFailure('', undefined);
  const { success, data } = description.safeParse(info);
  if (!success) {
    throw new OxboardError('YOUTUBE_UNAVAILABLE', 'There is no video behind the link');
  }
  const { _type: type, live_status: live, duration, ...video } = data;
  if (type !== 'video') throw manyVideos();
  if (video.is_live === true || live === 'is_live' || live === 'is_upcoming') {
    throw new OxboardError(
      'YOUTUBE_LIVE',
      'The video is live or has not begun yet. Try again when its recording is there',
    );
  }
  if (live === 'post_live') {
    throw new OxboardError(
      'YOUTUBE_LIVE',
      'The recording of the live stream is not there yet. Try again in some hours',
    );
  }
  if (typeof duration === 'number' && duration > maxDuration) throw tooLong(maxDuration);
  const size = video.filesize ?? video.filesize_approx ?? 0;
  if (size > maxFileSize) throw tooLarge(maxFileSize);
  return video;
}

/** A title is whatever its author likes; a name is one line, without folders. */
function nameOf({ title, ext }: { title: string; ext: string }): string {
  const clean = title
    .toWellFormed()
    .replaceAll(/[\p{Cc}\u2028-\u202e\u2066-\u2069\ufffd/\\]/gu, '_')
    .trim();
  const extension = /^[a-z0-9]{1,8}$/.test(ext) ? ext : 'audio';
  const shown = Array.from(clean === '' ? 'song' : clean).slice(0, LONGEST_TITLE);
  return `${shown.join('')}.${extension}`;
}

const NAME = 'song';
const PROGRESS = 'oxboard';

function readProgress(line: string): { done: number; total: number | undefined } | undefined {
  const [word, done, ...totals] = line.trim().split(' ');
  if (word !== PROGRESS || !Number.isFinite(Number(done))) return undefined;
  return { done: Number(done), total: totals.map(Number).find((total) => total > 0) };
}

const tooLarge = (maxFileSize: number): OxboardError =>
  new OxboardError(
    'FILE_TOO_LARGE',
    `The audio behind the link is larger than this service takes: ${String(maxFileSize)} bytes`,
  );
