/** The help texts of all commands. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Command } from 'commander';
import { program } from '../../src/bin/program.js';

const COLUMNS = 80;

function commandsOf(command: Command): Command[] {
  return [command, ...command.commands.flatMap(commandsOf)];
}

function helpOf(command: Command): string {
  let help = '';
  command.configureOutput({
    writeOut: (text) => (help += text),
    getOutHelpWidth: () => COLUMNS,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return help;
}

const commands = commandsOf(await program());

describe('the help of', () => {
  for (const command of commands) {
    it(`${command.name()} fits ${String(COLUMNS)} columns`, () => {
      const help = helpOf(command);
      assert.match(help, /^Usage: /);
      assert.deepEqual(
        help.split('\n').filter((line) => line.length > COLUMNS),
        [],
      );
    });
  }

  it('worker speaks of a worker, not of an API', () => {
    const worker = commands.find((command) => command.name() === 'worker');
    assert.ok(worker);
    assert.doesNotMatch(helpOf(worker), /port 8000/);
    assert.match(helpOf(worker), /METRICS_PORT/);
  });
});
