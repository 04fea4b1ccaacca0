/**
 * The commands of `oxboard`, and hints for the most likely mistakes.
 */
import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { isMediaName } from '../lib/file-names.js';
import { packageVersion } from '../lib/package-version.js';
import { doctorCommand } from './commands/doctor.js';
import { jobsCommand, workersCommand } from './commands/jobs.js';
import { modelsCommand } from './commands/models.js';
import { separateCommand } from './commands/separate.js';
import { apiCommand, serveCommand, workerCommand } from './commands/serve.js';
import { setupCommand } from './commands/setup.js';
import { isLink } from './inputs.js';

const OVERVIEW = `
Examples:
  $ oxboard setup                 once, after installing
  $ oxboard separate song.mp3     stems into ./separated
  $ oxboard models list           what can be chosen with --model
  $ oxboard serve                 the page and the HTTP API, on port 8000
  $ oxboard doctor                what works, and how to mend what does not

oxboard <command> --help tells more.
`;

/** All commands. */
export function program(): Command {
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
    .addCommand(jobsCommand())
    .addCommand(workersCommand())
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
  if (isLink(command))
    return 'Download it first, and separate the file; "oxboard serve" takes links to YouTube\n';
  const [, flag = ''] = /^error: unknown option '(.+)'/.exec(error) ?? [];
  if (isMediaName(flag))
    return `Put -- before a name that begins with a dash: oxboard separate -- ${flag}\n`;
  return '';
}
