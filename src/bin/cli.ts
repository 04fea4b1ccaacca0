#!/usr/bin/env node
/**
 * The command `oxboard`.
 */
import { CommanderError } from 'commander';
import { OxboardError } from '../errors.js';
import { removeOpenWorkspaces } from '../separation/workspace.js';
import { program } from './program.js';
import { reportFailure } from './report.js';

const BAD_USAGE = 2;

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
    await (await program(process.argv[2])).parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : BAD_USAGE;
      return;
    }
    reportFailure(error);
  }
}

await main();
