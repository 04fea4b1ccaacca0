/** Loading and separating again and again takes no more memory. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const child = fileURLToPath(new URL('children/leaks.ts', import.meta.url));
const MEGABYTE = 2 ** 20;

/** One separation has 12 MB of stems: two that are lost would show. */
const BOUND = 20 * MEGABYTE;

for (const [what, count] of [
  ['load', 100],
  ['separate', 50],
] as const) {
  void test(`${String(count)} times ${what} without growth`, async (context) => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--expose-gc', '--import', 'tsx', child, what, String(count)],
      // Else glibc keeps freed blocks of many megabytes, now more and now fewer.
      { env: { ...process.env, MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_ARENA_MAX: '1' } },
    );
    const { early, late } = JSON.parse(stdout) as { early: number; late: number };
    const growth = late - early;
    context.diagnostic(
      `${(early / MEGABYTE).toFixed(0)} MB, and ${(growth / MEGABYTE).toFixed(1)} MB more at the end`,
    );
    assert.ok(growth < BOUND, `${String(growth)} bytes`);
  });
}
