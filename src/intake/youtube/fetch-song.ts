/**
 * Downloads the audio behind a link.
 */
import { mkdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { OxboardError } from '../../errors.js';
import { tooLong } from '../../audio/probe.js';
import { songName } from '../../lib/file-names.js';
import { FILE_NAME, tooLarge, type FetchedSong, type FetchOptions } from '../fetched-song.js';
import { ageOf, findYtDlp } from './binary.js';
import { copyCookies } from './cookies.js';
import { explainFailure } from './failures.js';
import { openGuard } from './guard.js';
import { runYtDlp, YtDlpFailure, type YtDlpRun } from './run.js';
import { isYoutube, manyVideos, parseYoutubeUrl } from './url.js';

const DESCRIBE_TIMEOUT_MS = 180_000;
const DOWNLOAD_TIMEOUT_MS = 1_200_000;

const MAX_TITLE_CHARACTERS = 190;

export interface YoutubeSettings {
  /** See findYtDlp. */
  ytDlpPath: string | undefined;
  /** See parseYoutubeUrl and openGuard. */
  allowedHosts: readonly string[];
  /** Format selection of yt-dlp; undefined: see runYtDlp. */
  format?: string | undefined;
  /** See readCookies. */
  cookiesFile?: string | undefined;
  /** See openGuard. */
  proxy?: string | undefined;
  /** Seconds. */
  maxDuration: number;
  /** Bytes. */
  maxFileSize: number;
  /** See YtDlpRun. */
  cacheDirectory: string;
}

const bytes = z.number().positive().nullish().catch(null);
/** The fields of yt-dlp's description of a video that are used. */
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
 * Downloads the audio of a video, unless its description says that it is live, too long or too large.
 *
 * @throws OxboardError YOUTUBE_* and what parseYoutubeUrl throws; INVALID_ENVIRONMENT, ADDRESS_NOT_PUBLIC, AUDIO_TOO_LONG,
 * FILE_TOO_LARGE; `signal.reason`
 */
export async function fetchSong(
  link: string,
  settings: YoutubeSettings,
  { directory, signal, onProgress }: FetchOptions,
): Promise<FetchedSong> {
  const { allowedHosts, cacheDirectory, cookiesFile, format, maxFileSize } = settings;
  const url = parseYoutubeUrl(link, allowedHosts);
  const { path: binary } = await findYtDlp(settings.ytDlpPath);
  await mkdir(cacheDirectory, { recursive: true });
  const cookies = cookiesFile && (await copyCookies(cookiesFile, directory));
  const guard = await openGuard(allowedHosts, { upstream: settings.proxy });
  let stderr = '';

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
      // A page of YouTube is never treated as a page of another site.
      flags: {
        ...(format !== undefined && { format }),
        ...(cookies !== undefined && { cookies }),
        ...(isYoutube(url) && { useExtractors: 'youtube.*' }),
        ...flags,
      },
      signal: AbortSignal.any(signals),
    });
  const age = async () => {
    const version = await call({ flags: { version: true } }, signal).catch(() => undefined);
    return version && ageOf(version.stdout);
  };
  /** Runs yt-dlp with a timeout, and explains its failures. */
  const run = async (own: Parameters<typeof call>[0], timeoutMs: number, stop: AbortSignal) => {
    const late = AbortSignal.timeout(timeoutMs);
    try {
      const result = await call(own, stop, late);
      stderr += result.stderr;
      return result.stdout;
    } catch (error) {
      stop.throwIfAborted();
      if (late.aborted) {
        throw new OxboardError('YOUTUBE_NETWORK', 'The site is too slow. Try again later');
      }
      if (!(error instanceof YtDlpFailure)) throw error;
      if (guard.refusal) throw guard.refusal;
      throw explainFailure(stderr + error.stderr, await age());
    }
  };

  try {
    const json = await run(
      { flags: { dumpSingleJson: true, flatPlaylist: true, playlistItems: '1' }, url },
      DESCRIBE_TIMEOUT_MS,
      signal,
    );
    const video = check(parsed(json), settings);
    const infoFile = path.join(directory, 'info.json');
    await writeFile(infoFile, json);

    const sizeLimit = new AbortController();
    const file = path.join(directory, FILE_NAME);
    const output = await run(
      {
        flags: {
          loadInfoJson: infoFile,
          // Relative to its directory: yt-dlp would interpret some characters of a full path.
          output: FILE_NAME,
          maxFilesize: String(maxFileSize),
          noMtime: true,
          newline: true,
          progress: true,
          progressTemplate: `download:${PROGRESS} %(progress.downloaded_bytes)s %(progress.total_bytes)s %(progress.total_bytes_estimate)s`,
        },
        onLine: (line) => {
          const progress = readProgress(line);
          if (!progress) return;
          if (progress.done > maxFileSize) sizeLimit.abort(tooLarge(maxFileSize));
          onProgress(Math.min(1, progress.done / (progress.total ?? maxFileSize)));
        },
      },
      DOWNLOAD_TIMEOUT_MS,
      AbortSignal.any([signal, sizeLimit.signal]),
    );
    if (output.includes('larger than max-filesize')) throw tooLarge(maxFileSize);
    const { size } = await stat(file).catch(() => ({ size: 0 }));
    if (size === 0) throw explainFailure(`ERROR: Did not get any data\n${stderr}`, undefined);
    if (size > maxFileSize) throw tooLarge(maxFileSize);
    return { path: file, name: nameOf(video) };
  } finally {
    await guard.close();
  }
}

/** Undefined when yt-dlp printed something other than a description. */
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

function nameOf({ title, ext }: { title: string; ext: string }): string {
  const extension = /^[a-z0-9]{1,8}$/.test(ext) ? ext : 'audio';
  return `${songName(title, MAX_TITLE_CHARACTERS)}.${extension}`;
}

/** Begins the lines of progress. */
const PROGRESS = 'oxboard';

function readProgress(line: string): { done: number; total: number | undefined } | undefined {
  const [word, done, ...totals] = line.trim().split(' ');
  if (word !== PROGRESS || !Number.isFinite(Number(done))) return undefined;
  return { done: Number(done), total: totals.map(Number).find((total) => total > 0) };
}
