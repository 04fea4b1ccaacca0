/**
 * `oxboard doctor`: what works on this machine, and how to mend what does not.
 */
import { Command } from 'commander';
import type { Check } from '../doctor/check.js';
import { checkAddon, checkLibtorch, checkModels, checkSeparation } from '../doctor/engine.js';
import { checkEnvironment, checkFfmpeg, checkMemory, checkSystem } from '../doctor/machine.js';
import { checkService } from '../doctor/service.js';
import { tryNative } from '../doctor/trial.js';
import { checkYtDlp } from '../doctor/yt-dlp.js';
import { say } from '../report.js';
import { wrap } from '../table.js';

interface Flags {
  modelsDir?: string;
  quick?: boolean;
  json?: boolean;
}

/** As long as the name of the embedded model. */
const NAME_WIDTH = 18;
const STATUS_WIDTH = 7;
const GAP = '  ';

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('tell what works on this machine, and how to mend what does not')
    .option('--models-dir <dir>', 'folder of model archives (default: DEMUCS_MODELS_PATH)')
    .option('--quick', 'do not run the default model')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText(
      'after',
      '\nThe exit status is 1 when something that separating needs does not work. What\n' +
        'says "note" can be missing.\n',
    )
    .action(async (flags: Flags) => {
      const checks: Check[] = [];
      for await (const check of examine(flags)) {
        checks.push(check);
        if (!flags.json) process.stdout.write(`${line(check)}\n`);
      }
      const healthy = checks.every(({ status }) => status !== 'problem');
      if (flags.json) process.stdout.write(`${JSON.stringify({ ok: healthy, checks })}\n`);
      process.exitCode = healthy ? 0 : 1;
    });
}

async function* examine(flags: Flags): AsyncGenerator<Check, void, undefined> {
  const environment = checkEnvironment();
  yield* environment.checks;
  const config = {
    ...environment.config,
    modelsDir: flags.modelsDir ?? environment.config.modelsDir,
  };
  yield await checkSystem();
  yield checkMemory();

  const trial = await tryNative();
  yield await checkLibtorch(trial.native);
  yield* checkAddon(trial, config.device);

  yield* await checkFfmpeg();
  yield* await checkService();
  yield await checkYtDlp();

  const models = await checkModels(config.modelsDir);
  yield* models;
  if (trial.native && !flags.quick) {
    yield await checkSeparation(config, ({ name }) => say(`Trying ${name} ...`));
  }
}

/** In columns on a terminal, else one line. Many an error names the command that mends it already. */
function line({ name, status, text, mend }: Check): string {
  const mending = mend !== undefined && !text.includes(mend) ? ` -> ${mend}` : '';
  const message = `${text}${mending}`.replaceAll(/\s*\n\s*/g, ' ');
  const head = `${status.padEnd(STATUS_WIDTH)}${GAP}${name.padEnd(NAME_WIDTH)}${GAP}`;
  if (!process.stdout.isTTY) return `${head}${message}`;
  const indent = STATUS_WIDTH + NAME_WIDTH + 2 * GAP.length;
  const lines = wrap(message, process.stdout.columns - indent);
  // A longer name has a line of its own.
  const first = head.length > indent ? `${head.trimEnd()}\n${' '.repeat(indent)}` : head;
  return first + lines.join(`\n${' '.repeat(indent)}`);
}
