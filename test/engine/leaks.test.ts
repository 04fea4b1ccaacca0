/** Loading and separating again and again takes no more memory. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const child = fileURLToPath(new URL('children/leaks.ts', import.meta.url));
const MEGABYTE = 2 ** 20;

/** One separation has 12 MB of stems, one load 11 MB of activations: one in ten lost would show. */
const BOUND = 16 * MEGABYTE;

for (const [what, count] of [
  ['load', 100],
  ['separate', 50],
] as const) {
  void test(`${String(count)} times ${what} without growth`, async (context) => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      ...['--expose-gc', '--import', 'tsx', child, what, String(count)],
    ]);
    const { early, late } = JSON.parse(stdout) as { early: number; late: number };
    const growth = late - early;
    context.diagnostic(
      `${(early / MEGABYTE).toFixed(0)} MB, and ${(growth / MEGABYTE).toFixed(1)} MB more at the end`,
    );
    assert.ok(growth < BOUND, `${String(growth)} bytes`);
  });
}
