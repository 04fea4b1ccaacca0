import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Workspace } from '../../src/separation/workspace.js';
import { temporaryFolder } from '../support/audio.js';

/** A folder as another process would have left it, with a spool in it. */
async function leftBy(pid: number, parent: string): Promise<string> {
  const own = await Workspace.create(parent);
  const name = path.basename(own.directory).replace(`-${String(process.pid)}-`, `-${String(pid)}-`);
  own.remove();
  mkdirSync(path.join(parent, name, 'spool'), { recursive: true });
  return name;
}

async function staysAfterNextStart(
  context: TestContext,
  name: (parent: string) => Promise<string>,
) {
  const parent = temporaryFolder(context);
  const left = await name(parent);
  const next = await Workspace.create(parent);
  const names = readdirSync(parent);
  next.remove();
  return names.includes(left);
}

describe('the folder of a work', () => {
  it('goes when its process is no more', async (context) => {
    const dead = 2 ** 22 + 1; // above what Linux gives out
    assert.equal(await staysAfterNextStart(context, (parent) => leftBy(dead, parent)), false);
  });

  it('stays while its process lives', async (context) => {
    assert.ok(await staysAfterNextStart(context, (parent) => leftBy(process.ppid, parent)));
    assert.ok(await staysAfterNextStart(context, (parent) => leftBy(process.pid, parent)));
  });

  it('stays when it is of another machine, or not ours at all', async (context) => {
    for (const name of ['.oxboard-0123456789ab-999999999-AbCdEf', '.oxboard-notes', 'song']) {
      const make = (parent: string) => {
        mkdirSync(path.join(parent, name));
        utimesSync(path.join(parent, name), 0, 0);
        return Promise.resolve(name);
      };
      assert.ok(await staysAfterNextStart(context, make), name);
    }
  });

  it('is told apart from those of other works of this process', async (context) => {
    const parent = temporaryFolder(context);
    const [first, second] = [await Workspace.create(parent), await Workspace.create(parent)];
    assert.deepEqual(readdirSync(parent).length, 2);
    first.remove();
    second.remove();
    assert.deepEqual(readdirSync(parent), []);
  });
});
