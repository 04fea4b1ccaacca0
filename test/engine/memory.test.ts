/** Memory does not depend on the length of the song. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const child = fileURLToPath(new URL('children/memory.ts', import.meta.url));

async function peakMemory(minutes: number): Promise<number> {
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ['--import', 'tsx', child, String(minutes)]);
  return Number(stdout);
}

// Five minutes of the song alone are 100 MB; of its stems, 400 MB.
void test('five minutes take less than 64 MB more than one', async (context) => {
  const one = await peakMemory(1);
  const five = await peakMemory(5);
  const megabytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
  context.diagnostic(`peak: ${megabytes(one)} MB for 1 min, ${megabytes(five)} MB for 5 min`);
  assert.ok(five - one < 64 * 2 ** 20);
});
