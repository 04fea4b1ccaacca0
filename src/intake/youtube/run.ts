/**
 * The only place that starts yt-dlp, through yt-dlp-exec.
 */
import path from 'node:path';
import { createInterface } from 'node:readline';
import { OxboardError } from '../../errors.js';
import { INSTALL_YT_DLP } from './binary.js';

/** Bytes of what yt-dlp prints; a description of a video with thousands of formats has some millions. */
const MOST_OUTPUT = 32 * 2 ** 20;

/** What holds for every call, whatever is set up on this machine. */
const FLAGS = {
  ignoreConfig: true,
  noPluginDirs: true,
  noRemoteComponents: true,
  color: 'never',
  socketTimeout: '20',
  retries: '3',
  fragmentRetries: '3',
  extractorRetries: '2',
  // By default it would wait for as long as it takes, or leave out what it does not get.
  retrySleep: ['1', 'fragment:1', 'extractor:1'],
  abortOnUnavailableFragments: true,
  noPlaylist: true,
  // ffmpeg would connect by itself, past the proxy; and files are converted by us.
  ffmpegLocation: '/nonexistent',
  fixup: 'never',
};

/** Besides deno, which it looks for by itself. This process is one, if it is new enough. */
export const JS_RUNTIMES = [`node:${process.execPath}`, 'bun', 'quickjs'];

/** Statuses of `env` when there is no Python, or it may not be run. */
const NOT_STARTED = [126, 127];

/** Audio alone where there is such a thing; by protocols that yt-dlp speaks itself. */
const FORMAT = [
  'ba[protocol^=http]',
  'ba[protocol=m3u8_native]',
  'b[protocol^=http]',
  'b[protocol=m3u8_native]',
].join('/');

export interface YtDlpRun {
  /** The program. */
  binary: string;
  /** Where it works and keeps its temporary files. */
  directory: string;
  /** Where it keeps what it knows of a site from one call to the next. */
  cacheDirectory: string;
  /** Its only way out; see openGuard. */
  proxy: string;
  /** More options, by their names in camel case. */
  flags: Record<string, unknown>;
  url?: string;
  /** Told each line of its standard output, as it comes. */
  onLine?: (line: string) => void;
  signal: AbortSignal;
}

/** yt-dlp ended with an error; see explainFailure. */
export class YtDlpFailure extends Error {
  override readonly name = 'YtDlpFailure';

  /** @param said what it has printed. */
  constructor(readonly said: string) {
    super(said);
  }
}

/**
 * Runs yt-dlp to its end. When the signal aborts it is killed, with all that it has started.
 *
 * @returns what it printed: results, and warnings.
 * @throws YtDlpFailure, OxboardError YOUTUBE_BINARY_MISSING, `signal.reason`
 */
export async function runYtDlp({
  binary,
  directory,
  cacheDirectory,
  proxy,
  flags,
  url,
  onLine,
  signal,
}: YtDlpRun): Promise<{ stdout: string; stderr: string }> {
  const ytDlpExec = await loadYtDlpExec();
  signal.throwIfAborted();
  const child = ytDlpExec.create(binary).exec(
    [],
    {
      ...FLAGS,
      format: FORMAT,
      cacheDir: cacheDirectory,
      jsRuntimes: JS_RUNTIMES,
      ...flags,
      // What comes after this is never an option, however it begins.
      ...(url !== undefined && { '--': [url] }),
    },
    {
      cwd: directory,
      extendEnv: false,
      env: environment(binary, directory, proxy),
      stdin: 'ignore',
      reject: false,
      maxBuffer: MOST_OUTPUT,
      // In a process group of its own, that can be killed as a whole.
      detached: true,
      cleanup: false,
    },
  );
  const kill = () => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  };
  signal.addEventListener('abort', kill, { once: true });
  if (onLine && child.stdout) createInterface({ input: child.stdout }).on('line', onLine);
  try {
    const { stdout, stderr, failed, shortMessage, exitCode, code } = await child;
    signal.throwIfAborted();
    if (failed && (code !== undefined || NOT_STARTED.includes(exitCode ?? 0))) {
      throw new OxboardError(
        'YOUTUBE_BINARY_MISSING',
        `${binary} does not start (${stderr.trim() || shortMessage}). Install it anew with: ${INSTALL_YT_DLP}`,
      );
    }
    // Without a status it was killed, or said too much; its own words do not tell that.
    if (failed)
      throw new YtDlpFailure(exitCode === undefined ? `${stderr}\n${shortMessage}` : stderr);
    return { stdout, stderr };
  } finally {
    signal.removeEventListener('abort', kill);
    // What it has started does not outlive it.
    kill();
  }
}

/** No secrets of ours, no settings of the user's. */
function environment(binary: string, directory: string, proxy: string): Record<string, string> {
  const { SSL_CERT_FILE, SSL_CERT_DIR } = process.env;
  return {
    PATH: searchPath(binary),
    HOME: directory,
    TMPDIR: directory,
    LANG: 'C.UTF-8',
    PYTHONUNBUFFERED: '1',
    ...(SSL_CERT_FILE !== undefined && { SSL_CERT_FILE }),
    ...(SSL_CERT_DIR !== undefined && { SSL_CERT_DIR }),
    // Not as an option, which every user of this machine could read.
    http_proxy: proxy,
    https_proxy: proxy,
    all_proxy: proxy,
  };
}

/** For Python, and for a runtime of JavaScript that was installed with yt-dlp. */
export const searchPath = (binary: string): string =>
  [path.dirname(path.resolve(binary)), process.env.PATH ?? ''].join(path.delimiter);

interface YtDlpResult {
  stdout: string;
  stderr: string;
  failed: boolean;
  shortMessage: string;
  exitCode?: number;
  /** Of the system, when it could not be started. */
  code?: string;
}

/** As much of yt-dlp-exec as is used; its own types know an older yt-dlp. */
interface YtDlpExec {
  create(binary: string): {
    exec(
      before: string[],
      flags: Record<string, unknown>,
      options: Record<string, unknown>,
    ): Promise<YtDlpResult> & { pid?: number; stdout: NodeJS.ReadableStream | null };
  };
}

async function loadYtDlpExec(): Promise<YtDlpExec> {
  try {
    const { default: ytDlpExec } = await import('yt-dlp-exec');
    return ytDlpExec as unknown as YtDlpExec;
  } catch (error) {
    throw new OxboardError(
      'YOUTUBE_BINARY_MISSING',
      `The npm package yt-dlp-exec is not installed, as it is where there is no "python". Install ` +
        `it with: npm install --ignore-scripts yt-dlp-exec, and yt-dlp with: ${INSTALL_YT_DLP}`,
      { cause: error },
    );
  }
}
