/**
 * `oxboard models`: the archives on this machine.
 */
import { Command } from 'commander';
import { readConfig } from '../../config.js';
import { OxboardError } from '../../errors.js';
import { verifyModel } from '../../models/archive.js';
import { archiveSize, publishedModels } from '../../pull/catalogue.js';
import { UNKNOWN_LICENSE, type License } from '../../models/license.js';
import { licenseWords } from '../../models/license-text.js';
import {
  findModel,
  installFolder,
  isModel,
  listArchives,
  removeModel,
  type LibraryOptions,
} from '../../models/library.js';
import { formatBytes } from '../../lib/format.js';
import { reportFailure, say } from '../report.js';
import { TEXT_WIDTH, tableRows, wrap } from '../table.js';
import { exportModel } from './models-export.js';
import { PULL_HELP, type PullFlags } from './models-pull-help.js';

interface Flags {
  modelsDir?: string;
}

const library = ({ modelsDir }: Flags): LibraryOptions => ({
  modelsDir: modelsDir ?? readConfig(process.env).modelsDir,
});

export function modelsCommand(): Command {
  const models = new Command('models').description(
    'list, pull, check, remove and make model archives',
  );
  const subcommand = (usage: string, description: string) =>
    models
      .command(usage)
      .description(description)
      .option('--models-dir <dir>', 'folder of model archives (default: DEMUCS_MODELS_PATH)');

  subcommand('list', 'list the models that are installed, and those that can be pulled')
    .option(
      '--available',
      'say of each: stems, quality, speed on this machine (measured once), memory, size, license',
    )
    .action(async (flags: Flags & { available?: boolean }) => {
      if (!flags.available) return list(library(flags));
      const { device, threads } = readConfig(process.env);
      // Measuring loads libtorch, which a plain list need not wait for.
      const { listAvailable } = await import('./models-available.js');
      return listAvailable({ ...library(flags), device, threads });
    });
  subcommand('pull <name>', 'download a published model and install it')
    .option(
      '--source <url or dir>',
      `a mirror, or a folder with the files (default: where it is published)`,
    )
    .option('--require-license', 'refuse weights for which nobody states a license')
    .option('--token <token>', 'access token for the source (others can see it: rather HF_TOKEN)')
    .addHelpText('after', PULL_HELP)
    .action(async (name: string, flags: PullFlags) => {
      // What it needs of libraries would cost every other command time and address space.
      const { pull } = await import('./models-pull.js');
      await pull(name, flags);
    });
  subcommand('verify [name]', 'compare one model, or all, with their checksums').action(
    async (name: string | undefined, flags: Flags) => {
      await verify(name, library(flags));
    },
  );
  subcommand('remove <name>', 'delete an installed model').action(
    async (name: string, flags: Flags) => {
      await remove(name, library(flags));
    },
  );
  subcommand('export <name>', 'make an archive from Python demucs files')
    .requiredOption(
      '--repo <dir>',
      'folder of .th and .yaml files (a local repository of demucs). They execute code: trusted ones only',
    )
    .addHelpText(
      'after',
      '\nNAME is a bag (NAME.yaml) or a signature. The first run makes a Python\n' +
        'environment with torch and demucs.\n\nExample:\n  $ oxboard models export htdemucs --repo ~/demucs-files\n',
    )
    .action(async (name: string, flags: Flags & { repo: string }) => {
      await exportModel(name, flags.repo, installFolder(library(flags)));
    });
  return models;
}

async function list(options: LibraryOptions): Promise<void> {
  const archives = await listArchives(options);
  const installed = archives.map(({ outcome }) => outcome).filter(isModel);
  const available = publishedModels().filter(
    ({ name }) => !installed.some((model) => model.name === name),
  );
  const [header = '', ...rows] = tableRows(
    [
      ['MODEL', 'STEMS', 'SIZE', 'LICENSE'],
      ...installed.map(({ name, sizeBytes, description: { sources, license } }) =>
        cells(name, sources, sizeBytes, license ?? UNKNOWN_LICENSE),
      ),
      ...available.map((model) =>
        cells(model.name, model.sources, archiveSize(model), model.license),
      ),
    ],
    STEMS_COLUMN,
  );
  const print = (text: string) => process.stdout.write(`${text}\n`);
  if (installed.length === 0) say(`No model is installed in ${installFolder(options)}`);
  else print(header);
  for (const [index, { description, embedded }] of installed.entries()) {
    print(rows[index] ?? '');
    const notes = [
      ...(embedded ? ['comes with the package'] : []),
      ...(description.notice ? [description.notice] : []),
    ];
    if (notes.length > 0) {
      for (const line of wrap(notes.join('; '), TEXT_WIDTH - INDENT.length)) print(INDENT + line);
    }
  }
  if (available.length > 0) {
    if (installed.length > 0) print('');
    print('To be had with "oxboard models pull NAME":');
    for (const row of [header, ...rows.slice(installed.length)]) print(row);
  }
  print('\nQuality, speed and where the licenses were read: oxboard models list --available');
  for (const { outcome } of archives) {
    if (!isModel(outcome)) say(`Cannot be used: ${outcome.message}`);
  }
}

const STEMS_COLUMN = 1;
const INDENT = '  ';

const cells = (name: string, stems: readonly string[], bytes: number, license: License) => [
  name,
  stems.join(', '),
  formatBytes(bytes),
  licenseWords(license),
];

/** Also what an interrupted pull of that name has left. */
async function remove(name: string, options: LibraryOptions): Promise<void> {
  const { removeUnfinished } = await import('../../pull/pull.js');
  const unfinished = await removeUnfinished(name, options);
  if (unfinished !== undefined) process.stdout.write(`Removed ${unfinished}\n`);
  try {
    process.stdout.write(`Removed ${await removeModel(name, options)}\n`);
  } catch (error) {
    const gone = error instanceof OxboardError && error.code === 'MODEL_NOT_FOUND';
    if (!gone || unfinished === undefined) throw error;
  }
}

async function verify(name: string | undefined, options: LibraryOptions): Promise<void> {
  const outcomes =
    name === undefined
      ? (await listArchives(options)).map(({ outcome }) => outcome)
      : [await findModel(name, options)];
  for (const outcome of outcomes) {
    try {
      if (!isModel(outcome)) throw outcome;
      await verifyModel(outcome);
      process.stdout.write(`${outcome.name}: as its checksums say\n`);
    } catch (error) {
      reportFailure(error);
    }
  }
}
