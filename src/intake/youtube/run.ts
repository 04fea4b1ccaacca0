/**
 * The only place that starts yt-dlp, through yt-dlp-exec.
 */
import path from 'node:path';
import { createInterface } from 'node:readline';
import { OxboardError } from '../../errors.js';
import { INSTALL_YT_DLP } from './binary.js';

/** The description of a video with thousands of formats has some millions of bytes. */
const MAX_OUTPUT_BYTES = 32 * 2 ** 20;

/** For every call, whatever the user's configuration is. */
const FLAGS = {
  ignoreConfig: true,
  noPluginDirs: true,
  noRemoteComponents: true,
  color: 'never',
  socketTimeout: '20',
  retries: '3',
  fragmentRetries: '3',
  extractorRetries: '2',
  // By default it would wait without limit, or leave out fragments that it does not get.
  retrySleep: ['1', 'fragment:1', 'extractor:1'],
  abortOnUnavailableFragments: true,
  noPlaylist: true,
  // ffmpeg would bypass the proxy; and we convert files ourselves.
  ffmpegLocation: '/nonexistent',
  fixup: 'never',
};

/** Besides deno, which yt-dlp finds itself. The Node.js of this process serves if it is new enough. */
export const JS_RUNTIMES = [`node:${process.execPath}`, 'bun', 'quickjs'];

/** Exit statuses of `env` when Python is missing or not executable. */
const NOT_STARTED = [126, 127];

/** Audio alone if possible; only by protocols that yt-dlp implements itself. */
const FORMAT = [
  'ba[protocol^=http]',
  'ba[protocol=m3u8_native]',
  'b[protocol^=http]',
  'b[protocol=m3u8_native]',
].join('/');

export interface YtDlpRun {
  /** The program. */
  binary: string;
  /** Its working directory, also for temporary files. */
  directory: string;
  /** Where it keeps data about sites between calls. */
  cacheDirectory: string;
  /** Its only access to the network; see openGuard. */
  proxy: string;
  /** More options, by their names in camel case. */
  flags: Record<string, unknown>;
  url?: string;
  /** Called with each line of its standard output. */
  onLine?: (line: string) => void;
  signal: AbortSignal;
}

/** yt-dlp ended with an error; see explainFailure. */
export class YtDlpFailure extends Error {
  override readonly name = 'YtDlpFailure';

  /** @param stderr what it has printed there. */
  constructor(readonly stderr: string) {
    super(stderr);
  }
}

/**
 * Runs yt-dlp to its end. When the signal aborts it is killed, with the processes that it started.
 *
 * @returns its results and its warnings.
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
      // What follows is never read as an option, however it begins.
      ...(url !== undefined && { '--': [url] }),
    },
    {
      cwd: directory,
      extendEnv: false,
      env: environment(binary, directory, proxy),
      stdin: 'ignore',
      reject: false,
      maxBuffer: MAX_OUTPUT_BYTES,
      // In its own process group, which can be killed as a whole.
      detached: true,
      cleanup: false,
    },
  );
  const kill = () => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended already.
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
        `${binary} does not start (${stderr.trim() || shortMessage}). Install it again with: ${INSTALL_YT_DLP}`,
      );
    }
    // Without a status it was killed or printed too much, which its stderr does not show.
    if (failed)
      throw new YtDlpFailure(exitCode === undefined ? `${stderr}\n${shortMessage}` : stderr);
    return { stdout, stderr };
  } finally {
    signal.removeEventListener('abort', kill);
    // Also the processes that it started.
    kill();
  }
}

/** Without our secrets and the user's settings. */
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
    // Not as an option, which every user of this machine can read.
    http_proxy: proxy,
    https_proxy: proxy,
    all_proxy: proxy,
  };
}

/** Also for Python, and for a JavaScript runtime that was installed with yt-dlp. */
export const searchPath = (binary: string): string =>
  [path.dirname(path.resolve(binary)), process.env.PATH ?? ''].join(path.delimiter);

interface YtDlpResult {
  stdout: string;
  stderr: string;
  failed: boolean;
  shortMessage: string;
  exitCode?: number;
  /** The system's error code when it could not be started. */
  code?: string;
}

/** The part of yt-dlp-exec that is used; its own types are of an older yt-dlp. */
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
