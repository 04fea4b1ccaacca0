/** The README's `curl` lines work as they are written. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { probe } from '../../src/audio/probe.js';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { startService } from '../support/service.js';

const readme = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');
const section = /^## Service$(.*?)^## /ms.exec(readme)?.[1] ?? '';
const commands = [...section.matchAll(/^```bash\n(.*?)^```$/gms)]
  .map(([, block]) => block ?? '')
  .filter((block) => block.includes('curl'))
  .join('\n');

void it('the curl examples of the README work as written', async (context) => {
  assert.match(commands, /stemify/);
  const service = await startService(context, ['serve'], { DEMUCS_DEFAULT_MODEL: 'htdemucs' });
  const folder = temporaryFolder(context);
  makeAudio(path.join(folder, 'song.mp3'), '0.4*sin(440*t)|0.3*sin(300*t)', { seconds: 1 });
  // A refusal has to fail the run, which curl alone would not.
  const script = commands
    .replaceAll('curl ', 'curl --fail-with-body -sS ')
    .replaceAll('http://localhost:8000', service.url);
  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], {
    cwd: folder,
  });

  assert.match(stdout, /^event: completed$/m);
  assert.match(stdout, /"status":"completed"/);
  assert.match(stdout, /"name":"htdemucs"/);
  assert.match(stdout, /"workers_available":1/);
  const { container, durationSeconds = 0 } = await probe(path.join(folder, 'vocals.mp3'));
  assert.equal(container, 'mp3');
  assert.ok(Math.abs(durationSeconds - 1) < 0.1);
  const zip = readFileSync(path.join(folder, 'stems.zip'));
  assert.equal(zip.subarray(0, 4).toString('latin1'), 'PK\u0003\u0004');
  for (const name of ['vocals.mp3', 'no_vocals.mp3']) assert.ok(zip.includes(name), name);
});
