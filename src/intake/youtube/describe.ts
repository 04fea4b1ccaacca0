/**
 * Asks an installed yt-dlp for its version and what it can use.
 */
import { execFile } from 'node:child_process';
import { JS_RUNTIMES, searchPath } from './run.js';

const TIMEOUT_MS = 30_000;

export interface YtDlpDescription {
  version: string;
  /** JavaScript runtimes that it can use, with their versions. */
  runtimes: string[];
  /** JavaScript runtimes that are too old for it. */
  oldRuntimes: string[];
  /** Whether it has the scripts that it runs in a JavaScript runtime for YouTube. */
  scripts: boolean;
}

/** @returns undefined when it does not start, or its output cannot be parsed. */
export async function describeYtDlp(program: string): Promise<YtDlpDescription | undefined> {
  const runtimes = JS_RUNTIMES.flatMap((runtime) => ['--js-runtimes', runtime]);
  // Without a link it only prints what it is, and ends.
  const output = await new Promise<string>((resolve) => {
    const env = { ...process.env, PATH: searchPath(program) };
    const options = { timeout: TIMEOUT_MS, env };
    execFile(program, ['--ignore-config', '--verbose', ...runtimes], options, (_error, out, err) =>
      resolve(`${out}\n${err}`),
    );
  });
  const version = /^\[debug\] yt-dlp version (?:\S+@)?(\d[\w.]*)/m.exec(output)?.[1];
  if (version === undefined) return undefined;
  const list = (/^\[debug\] JS runtimes: (.+)$/m.exec(output)?.[1] ?? 'none').split(', ');
  const found = list.filter((runtime) => runtime !== 'none');
  const isOld = (runtime: string) => runtime.endsWith('(unsupported)');
  return {
    version,
    runtimes: found.filter((runtime) => !isOld(runtime)),
    oldRuntimes: found.filter(isOld).map((runtime) => runtime.replace(/ .*/, '')),
    scripts: /^\[debug\] (Optional libraries|JS challenge).*yt_dlp_ejs/m.test(output),
  };
}
