import { delimiter, dirname } from 'node:path';
import { ensurePython } from './python.mjs';
import { setup } from './setup/index.mjs';
import { counted, follow, runNodeTests, testFiles } from './suites.mjs';
import { heading, runSuites } from './tally.mjs';

function counts(output) {
  const summary = output.trimEnd().split('\n').at(-1) ?? '';
  const count = (word) => Number(new RegExp(`(\\d+) ${word}`).exec(summary)?.[1] ?? 0);
  return { passed: count('passed'), failed: count('failed') + count('errors?') };
}

await runSuites(async (tally) => {
  await setup({ testTools: ['curl', 'libfluidsynth3'] });
  const python = await ensurePython({ log: console.log });
  // pytest keeps one core busy; the other suite mostly waits for the programs that it starts.
  const pytest = follow(python, ['-m', 'pytest', 'test/python', ...process.argv.slice(2)], {
    env: { PYTHONUNBUFFERED: '1' },
    quiet: true,
  });
  heading('TypeScript, with programs of the Python environment (pytest runs meanwhile)');
  const path = [dirname(python), process.env.PATH].join(delimiter);
  tally.add(await runNodeTests(testFiles([], { withPython: true }), { PATH: path }));
  heading('Python');
  const { ok, output } = await pytest;
  console.log(output);
  tally.add(counted({ ok, ...counts(output) }));
});
