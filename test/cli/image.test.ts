/** The command line in a container image, which has only a part of the scripts. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../support/audio.js';
import { oxboard } from '../support/cli.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('models export in an image', () => {
  it('says in one line that the exporter is not there, and what to do', async () => {
    const app = temporaryFolder({ after });
    for (const name of ['package.json', 'dist', 'scripts/setup']) {
      cpSync(path.join(root, name), path.join(app, name), { recursive: true });
    }
    mkdirSync(path.join(app, 'models'));
    symlinkSync(path.join(root, 'node_modules'), path.join(app, 'node_modules'));
    const { status, stderr } = await oxboard([], {
      cwd: app,
      command: [
        process.execPath,
        ...['dist/bin/cli.js', 'models', 'export', 'mine', '--repo', '.', '--models-dir', 'models'],
      ],
    });
    assert.match(stderr, /^oxboard: This installation has no exporter .* on another machine.*\n$/);
    assert.equal(status, 1);
  });
});
