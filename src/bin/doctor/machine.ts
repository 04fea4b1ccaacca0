/**
 * Checks of what surrounds the engine: settings, system, memory and other programs.
 */
import { execFile } from 'node:child_process';
import os from 'node:os';
import { promisify } from 'node:util';
import { ffmpegText } from '../../audio/ffmpeg.js';
import { readConfig, type Config } from '../../config.js';
import { importPlatform } from '../scripts.js';
import { failed, note, ok, problem, type Check } from './check.js';

export const SETUP = 'npx oxboard setup';

/** What a full-size model takes, with room for what else runs. */
const MEMORY_WANTED = 2e9;

const ENCODERS = { flac: 'flac', mp3: 'libmp3lame', opus: 'libopus', m4a: 'aac' };

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;

const install = (name: string) =>
  process.platform === 'darwin' ? `brew install ${name}` : `apt-get install ${name}`;

/** The configuration, or one without settings when the environment has a wrong one. */
export function checkEnvironment(): { config: Config; checks: Check[] } {
  try {
    return { config: readConfig(process.env), checks: [] };
  } catch (error) {
    const mend = 'correct the variable, or unset it';
    return { config: readConfig({}), checks: [failed('environment', error, mend)] };
  }
}

export async function checkSystem(): Promise<Check> {
  const { checkPlatform } = await importPlatform();
  const system = `Node.js ${process.versions.node}, ${process.platform} ${process.arch}`;
  try {
    const warning = checkPlatform();
    return warning === undefined ? ok('system', system) : note('system', `${system}: ${warning}`);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const [text = '', ...mend] = error.message.split('\n');
    return problem('system', text, mend.join(' '));
  }
}

export function checkMemory(): Check {
  const total = Math.min(os.totalmem(), process.constrainedMemory() || Infinity);
  const free = Math.min(process.availableMemory(), total);
  const text = `${gigabytes(free)} free of ${gigabytes(total)}`;
  if (free >= MEMORY_WANTED) return ok('memory', text);
  return note(
    'memory',
    `${text}; full-size models want ${gigabytes(MEMORY_WANTED)}`,
    'end other programs, or raise the limit of the container',
  );
}

export async function checkFfmpeg(): Promise<Check[]> {
  const checks: Check[] = [];
  for (const tool of ['ffmpeg', 'ffprobe'] as const) {
    try {
      const said = await ffmpegText({ tool, args: ['-version'] });
      checks.push(ok(tool, /version (\S+)/.exec(said)?.[1] ?? 'of unknown version'));
    } catch (error) {
      checks.push(failed(tool, error, SETUP));
    }
  }
  if (checks[0]?.status === 'ok') checks.push(...(await checkEncoders()));
  return checks;
}

async function checkEncoders(): Promise<Check[]> {
  const said = await ffmpegText({ args: ['-encoders'] });
  const has = (encoder: string) => new RegExp(`^ A\\S+ ${encoder} `, 'm').test(said);
  const missing = Object.entries(ENCODERS).filter(([, encoder]) => !has(encoder));
  const formats = Object.keys(ENCODERS).join(', ');
  if (missing.length === 0) return [ok('formats', `wav, ${formats}`)];
  const words = missing.map(([format, encoder]) => `${format} (${encoder})`).join(', ');
  return [note('formats', `this ffmpeg cannot write ${words}`, install('ffmpeg'))];
}

/** The service needs it; nothing else does. */
export async function checkRedisServer(): Promise<Check> {
  const said = await versionOf('redis-server');
  const version = said && /v=(\S+)/.exec(said)?.[1];
  if (version) return ok('redis-server', version);
  return note('redis-server', 'not found; only the service needs it', install('redis-server'));
}

async function versionOf(program: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(program, ['--version'], { timeout: 20_000 });
    return stdout.trim().split('\n')[0];
  } catch {
    return undefined;
  }
}
