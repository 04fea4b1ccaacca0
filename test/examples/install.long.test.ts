/** `npx oxboard setup` compiles the addon from the sources in the package: minutes. */
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { temporaryFolder } from '../support/audio.js';
import { installPacked } from '../support/installed-project.js';

it('an installed package builds its binary once, in a cache that a new install leaves alone, and separates', async (context) => {
  const cache = temporaryFolder(context);
  const { project, installed, oxboard, consumer, install } = await installPacked(context, {
    XDG_CACHE_HOME: cache,
  });
  const setup = await oxboard('setup');
  assert.equal(setup.status, 0, setup.stdout + setup.stderr);
  assert.ok(!existsSync(path.join(installed, 'build')), 'nothing is built in node_modules');
  rmSync(path.join(project, 'node_modules'), { recursive: true });
  await install();
  assert.match((await oxboard('setup')).stdout, /native build +ok \(already done\)/);

  const separated = await consumer();
  assert.equal(separated.status, 0, separated.stderr);
  assert.match(separated.stdout, /drums bass other vocals 44100/);
});
