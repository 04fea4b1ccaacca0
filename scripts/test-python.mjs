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
  const args = process.argv.slice(2);
  if (args.length > 0) {
    heading('Python');
    // Options alone are for all of its tests; a file or folder is instead of them.
    const places = args.some((arg) => arg.startsWith('test/')) ? [] : ['test/python'];
    const { ok, output } = await follow(python, ['-m', 'pytest', ...places, ...args]);
    return tally.add(counted({ ok, ...counts(output) }));
  }
  // pytest keeps one core busy; the other suite mostly waits for the programs that it starts.
  const pytest = follow(python, ['-m', 'pytest', 'test/python'], {
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
