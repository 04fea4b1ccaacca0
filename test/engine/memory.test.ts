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

// Ten minutes of the song alone are 200 MB; of its stems, 800 MB.
void test('ten minutes take less than 64 MB more than one', async (context) => {
  const one = await peakMemory(1);
  const ten = await peakMemory(10);
  const megabytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
  context.diagnostic(`peak: ${megabytes(one)} MB for 1 min, ${megabytes(ten)} MB for 10 min`);
  assert.ok(ten - one < 64 * 2 ** 20);
});
