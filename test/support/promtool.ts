/**
 * Prometheus' own checker: on the PATH, or where set-up for tests put it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const own = fileURLToPath(new URL('../../.oxboard/tools/promtool', import.meta.url));

/** Runs promtool with text on its standard input; gives its exit status and all that it said. */
export function promtool(
  args: readonly string[],
  input = '',
): { status: number | null; said: string } {
  const { status, stdout, stderr, error } = spawnSync(existsSync(own) ? own : 'promtool', args, {
    input,
    encoding: 'utf8',
  });
  if (error) throw error;
  return { status, said: stdout + stderr };
}
