/** `npx oxboard setup` compiles the addon from the sources in the package: minutes. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { installPacked } from '../support/installed-project.js';

it('an installed package builds its binary once, and separates', async (context) => {
  const { installed, oxboard, consumer } = await installPacked(context);
  const setup = await oxboard('setup');
  assert.equal(setup.status, 0, setup.stdout + setup.stderr);
  assert.ok(existsSync(path.join(installed, 'build/Release/oxboard.node')));
  assert.match((await oxboard('setup')).stdout, /native build +ok \(already done\)/);

  const separated = await consumer();
  assert.equal(separated.status, 0, separated.stderr);
  assert.match(separated.stdout, /drums bass other vocals 44100/);
});
