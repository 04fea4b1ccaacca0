/** Every fault once, with a fixed seed. `npm run chaos` does the same for as long as you like. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const program = fileURLToPath(new URL('../../scripts/chaos/run.ts', import.meta.url));

it('the service keeps its promises while its processes and its storage fail', async () => {
  const args = ['--import', 'tsx', program, '--seed', '1', '--rounds', '1'];
  const { stdout } = await promisify(execFile)(process.execPath, args).catch((error: unknown) => {
    const { stdout: text, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${text}\n${stderr}`);
  });
  assert.match(stdout, /faults found +\| +0 \|/);
});
