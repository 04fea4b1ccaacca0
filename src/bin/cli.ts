#!/usr/bin/env node
/**
 * The command `oxboard`.
 */
import { existsSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { OxboardError } from '../errors.js';
import { removeOpenWorkspaces } from '../separation/workspace.js';
import { doctorCommand } from './commands/doctor.js';
import { modelsCommand } from './commands/models.js';
import { separateCommand } from './commands/separate.js';
import { apiCommand, serveCommand, workerCommand } from './commands/serve.js';
import { setupCommand } from './commands/setup.js';
import { reportFailure } from './report.js';
import { isMediaName } from '../lib/file-names.js';
import { packageVersion } from '../lib/package-version.js';

const BAD_USAGE = 2;

const OVERVIEW = `
Examples:
  $ oxboard setup                 once, after installing
  $ oxboard separate song.mp3     stems into ./separated
  $ oxboard models list           what can be chosen with --model
  $ oxboard serve                 the page and the HTTP API, on port 8000
  $ oxboard doctor                what works, and how to mend what does not

oxboard <command> --help tells more.
`;

function program(): Command {
  const oxboard = new Command('oxboard')
    .description('Separates songs into stems with Demucs models.')
    .version(packageVersion)
    .addHelpText('after', OVERVIEW)
    .addCommand(separateCommand())
    .addCommand(setupCommand())
    .addCommand(modelsCommand())
    .addCommand(serveCommand())
    .addCommand(apiCommand())
    .addCommand(workerCommand())
    .addCommand(doctorCommand());
  configure(oxboard);
  return oxboard;
}

function configure(command: Command): void {
  // Commander would exit by itself, with 1 for bad usage.
  command.exitOverride();
  command.configureOutput({ outputError: (text, write) => write(`${text}${hintFor(text)}`) });
  for (const subcommand of command.commands) configure(subcommand);
}

/** What to do about the most likely mistakes: a song in the place of a command or of a flag. */
function hintFor(error: string): string {
  const [, command = ''] = /^error: unknown command '(.+)'/.exec(error) ?? [];
  if (isMediaName(command) || existsSync(command))
    return `To separate it: oxboard separate ${command}\n`;
  const [, flag = ''] = /^error: unknown option '(.+)'/.exec(error) ?? [];
  if (isMediaName(flag))
    return `A name that begins with a dash comes after two: oxboard separate -- ${flag}\n`;
  return '';
}

async function main(): Promise<void> {
  process.on('uncaughtException', (error) => {
    removeOpenWorkspaces();
    reportFailure(error);
    process.exit();
  });
  // Output that goes nowhere, as in `oxboard ... | head -1`, is no failure worth a word.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  try {
    if (process.platform === 'win32') {
      throw new OxboardError(
        'PLATFORM_UNSUPPORTED',
        'Windows is not supported. Use Linux or macOS; the Windows Subsystem for Linux is one',
      );
    }
    await program().parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : BAD_USAGE;
      return;
    }
    reportFailure(error);
  }
}

await main();
