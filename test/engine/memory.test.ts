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

void test('an hour takes less than 64 MB more than a minute', async (context) => {
  const minute = await peakMemory(1);
  const hour = await peakMemory(60);
  const megabytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
  context.diagnostic(`peak: ${megabytes(minute)} MB for 1 min, ${megabytes(hour)} MB for 60 min`);
  assert.ok(hour - minute < 64 * 2 ** 20);
});
