/**
 * What an installed yt-dlp says of itself.
 */
import { execFile } from 'node:child_process';
import { JS_RUNTIMES, searchPath } from './run.js';

const PATIENCE_MS = 30_000;

export interface YtDlpDescription {
  version: string;
  /** Runtimes for JavaScript that it can use, with their versions. */
  runtimes: string[];
  /** Those that are too old for it. */
  oldRuntimes: string[];
  /** Whether it has the scripts that it runs in them for YouTube. */
  scripts: boolean;
}

/** @returns undefined when it does not start, or says nothing that can be read. */
export async function describeYtDlp(program: string): Promise<YtDlpDescription | undefined> {
  const runtimes = JS_RUNTIMES.flatMap((runtime) => ['--js-runtimes', runtime]);
  // Without a link it only tells what it is, and ends.
  const said = await new Promise<string>((resolve) => {
    const env = { ...process.env, PATH: searchPath(program) };
    const options = { timeout: PATIENCE_MS, env };
    execFile(program, ['--ignore-config', '--verbose', ...runtimes], options, (_error, out, err) =>
      resolve(`${out}\n${err}`),
    );
  });
  const version = /^\[debug\] yt-dlp version (?:\S+@)?(\d[\w.]*)/m.exec(said)?.[1];
  if (version === undefined) return undefined;
  const list = (/^\[debug\] JS runtimes: (.+)$/m.exec(said)?.[1] ?? 'none').split(', ');
  const found = list.filter((runtime) => runtime !== 'none');
  const isOld = (runtime: string) => runtime.endsWith('(unsupported)');
  return {
    version,
    runtimes: found.filter((runtime) => !isOld(runtime)),
    oldRuntimes: found.filter(isOld).map((runtime) => runtime.replace(/ .*/, '')),
    scripts: /^\[debug\] (Optional libraries|JS challenge).*yt_dlp_ejs/m.test(said),
  };
}
