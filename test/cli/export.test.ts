/** The Python environment that a clone makes for an export, by a Python that only notes what it is asked. */
import assert from 'node:assert/strict';
import { chmodSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../support/audio.js';
import { oxboard } from '../support/cli.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Makes an environment with itself as its Python, which has the torch that is wanted. */
const PYTHON = `#!/bin/sh
echo "$*" >> "$NOTES"
case "$*" in
  *'import torch'*) echo "$TORCH" ;;
  *version_info*) echo 3.12.1 ;;
  '-m venv '*) for folder; do :; done; mkdir -p "$folder/bin"; cp "$0" "$folder/bin/python" ;;
esac
`;

it('an export in a clone installs what the exporter needs, once, and the tests the rest', async () => {
  const clone = temporaryFolder({ after });
  for (const name of ['package.json', 'tsconfig.build.json', 'dist', 'scripts']) {
    cpSync(path.join(root, name), path.join(clone, name), { recursive: true });
  }
  symlinkSync(path.join(root, 'node_modules'), path.join(clone, 'node_modules'));
  for (const folder of ['models', 'repository', 'bin']) mkdirSync(path.join(clone, folder));
  writeFileSync(path.join(clone, 'repository', 'mine.yaml'), '');
  for (const name of ['python3', 'c++']) {
    writeFileSync(path.join(clone, 'bin', name), PYTHON);
    chmodSync(path.join(clone, 'bin', name), 0o755);
  }
  const notes = path.join(clone, 'notes');
  const { libtorch } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    libtorch: { version: string };
  };

  /** The requirements that were installed, and whether Python then ran what it was made for. */
  async function run(command: readonly string[], wanted: string) {
    writeFileSync(notes, '');
    const { status, stderr } = await oxboard([], {
      cwd: clone,
      env: {
        PATH: `${path.join(clone, 'bin')}:${process.env.PATH ?? ''}`,
        NOTES: notes,
        TORCH: libtorch.version,
      },
      command: [process.execPath, ...command],
    });
    assert.equal(status, 0, stderr);
    const noted = readFileSync(notes, 'utf8').split('\n');
    assert.ok(noted.some((line) => line.startsWith(wanted)));
    return noted.flatMap((line) => line.match(/requirements[\w-]*\.txt/g) ?? []);
  }
  const exportModel = () =>
    run(
      [
        'dist/bin/cli.js',
        'models',
        'export',
        'mine',
        '--repo',
        'repository',
        '--models-dir',
        'models',
      ],
      '-m oxboard_export mine',
    );
  assert.deepEqual(await exportModel(), ['requirements.txt']);
  assert.deepEqual(await exportModel(), []);
  const everything = () => run(['scripts/python.mjs', '-m', 'pytest'], '-m pytest');
  assert.deepEqual(await everything(), ['requirements.txt', 'requirements-dev.txt']);
  assert.deepEqual(await everything(), []);
  assert.deepEqual(await exportModel(), []);
});
