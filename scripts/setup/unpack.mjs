import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { megabytes, root } from './files.mjs';
import { attempt } from './run.mjs';

export const script = (name) => join(root, `scripts/setup/${name}.py`);

/** Unpacks what is needed of an archive, which is removed; returns what went wrong. */
export async function unpack(archive, folder, step, name, options = []) {
  let progress = '';
  step.doing(`unpacking ${name}`, () => progress);
  const result = await attempt(
    'libtorch-unpack',
    'python3',
    [script('unpack'), ...options, archive, folder],
    {
      onLine: (line) => {
        const [done, total] = line.split(' ').map(Number);
        if (total) progress = `${megabytes(done)} of ${megabytes(total)}`;
      },
    },
  );
  rmSync(archive, { force: true });
  return result.ok ? undefined : result.tail.split('\n').at(-1);
}
