import { ensurePython } from './python.mjs';
import { setup } from './setup/index.mjs';
import { main } from './setup/report.mjs';
import { counted, follow } from './suites.mjs';
import { createTally, heading } from './tally.mjs';

function counts(output) {
  const summary = output.trimEnd().split('\n').at(-1) ?? '';
  const count = (word) => Number(new RegExp(`(\\d+) ${word}`).exec(summary)?.[1] ?? 0);
  return { passed: count('passed'), failed: count('failed') + count('errors?') };
}

await main(async () => {
  await setup();
  const python = await ensurePython({ log: console.log });
  heading('Python');
  const { ok, output } = await follow(
    python,
    ['-m', 'pytest', 'test/python', ...process.argv.slice(2)],
    {
      env: { PYTHONUNBUFFERED: '1' },
    },
  );
  const tally = createTally();
  tally.add(counted({ ok, ...counts(output) }));
  return tally.finish();
});
