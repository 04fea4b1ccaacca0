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

interface Flags {
  modelsDir?: string;
  quick?: boolean;
  json?: boolean;
}

const NAME_WIDTH = 14;

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('tell what works on this machine, and how to mend what does not')
    .option('--models-dir <dir>', 'folder of model archives (default: DEMUCS_MODELS_PATH)')
    .option('--quick', 'do not run the default model')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText(
      'after',
      '\nThe exit status is 1 when something that separating needs does not work. What says "note"' +
        ' can be missing.\n',
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

/** Many an error names the command that mends it already. */
function line({ name, status, text, mend }: Check): string {
  const mending = mend !== undefined && !text.includes(mend) ? ` -> ${mend}` : '';
  const message = `${text}${mending}`.replaceAll(/\s*\n\s*/g, ' ');
  return `${status.padEnd(7)}  ${name.padEnd(NAME_WIDTH)}  ${message}`;
}
