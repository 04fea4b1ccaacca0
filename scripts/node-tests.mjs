/**
 * Runs test files in the order in which they are named, shows their results, and writes to REPORT, as
 * JSON, the counts and the seconds of each file.
 *
 *     node --import tsx node-tests.mjs REPORT FILE...
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

/** Only for a file that hangs; the longest one takes a few minutes on two slow cores. */
const FILE_TIMEOUT_MS = 30 * 60_000;

const [, , report, ...files] = process.argv;
const counts = { pass: 0, fail: 0, cancelled: 0 };
const seconds = {};

// Many files wait for programs that they have started: one more than there are cores.
const concurrency = availableParallelism() + 1;
const stream = run({ files, concurrency, timeout: FILE_TIMEOUT_MS });
stream.on('test:complete', ({ name, file, details }) => {
  if (name === file) seconds[file] = details.duration_ms / 1000;
});
stream.on('test:diagnostic', ({ message, file }) => {
  const [, name, count] = /^(pass|fail|cancelled) (\d+)$/.exec(message) ?? [];
  if (name && file === undefined) counts[name] = Number(count);
});
stream.on('end', () => {
  writeFileSync(report, JSON.stringify({ ...counts, seconds }));
  if (counts.fail + counts.cancelled > 0) process.exitCode = 1;
});
stream.compose(new spec()).pipe(process.stdout);
