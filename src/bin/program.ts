/**
 * The commands of `oxboard`, and hints for the most likely mistakes.
 */
import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { isMediaName } from '../lib/file-names.js';
import { packageVersion } from '../lib/package-version.js';
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

/** Each by its name. Only what is needed is imported: all of it takes longer than many a command. */
const COMMANDS = new Map<string, () => Promise<Command>>([
  ['separate', async () => (await import('./commands/separate.js')).separateCommand()],
  ['setup', async () => (await import('./commands/setup.js')).setupCommand()],
  ['models', async () => (await import('./commands/models.js')).modelsCommand()],
  ['serve', async () => (await import('./commands/serve.js')).serveCommand()],
  ['api', async () => (await import('./commands/serve.js')).apiCommand()],
  ['worker', async () => (await import('./commands/serve.js')).workerCommand()],
  ['jobs', async () => (await import('./commands/jobs.js')).jobsCommand()],
  ['workers', async () => (await import('./commands/jobs.js')).workersCommand()],
  ['doctor', async () => (await import('./commands/doctor.js')).doctorCommand()],
]);

/** @param named the first argument. It may be a command; without one, the help tells of all. */
export async function program(named = ''): Promise<Command> {
  const oxboard = new Command('oxboard')
    .description('Separates songs into stems with Demucs models.')
    .version(packageVersion)
    .addHelpText('after', OVERVIEW);
  const wanted = COMMANDS.get(named);
  for (const load of wanted ? [wanted] : COMMANDS.values()) oxboard.addCommand(await load());
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
