import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
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

describe('the publishing of stems', () => {
  async function setting(context: TestContext) {
    const parent = temporaryFolder(context);
    const input = path.join(parent, 'song.wav');
    writeFileSync(input, 'song');
    const out = path.join(parent, 'out');
    const workspace = await Workspace.create(out);
    context.after(() => workspace.remove());
    const publish = async (...names: string[]) => {
      for (const name of names) writeFileSync(workspace.path(name), `new ${name}`);
      const moves = names.map((name) => ({ from: workspace.path(name), to: path.join(out, name) }));
      await workspace.publish(moves, input);
    };
    const contents = () => {
      const files = readdirSync(out, { withFileTypes: true }).filter((entry) => entry.isFile());
      return files.map(({ name }) => readFileSync(path.join(out, name), 'utf8')).sort();
    };
    return { out, workspace, publish, contents };
  }

  it('replaces the stems of an earlier run', async (context) => {
    const { out, workspace, publish, contents } = await setting(context);
    writeFileSync(path.join(out, 'drums'), 'old drums');
    await publish('drums', 'bass');
    workspace.remove();
    assert.deepEqual(contents(), ['new bass', 'new drums']);
    assert.deepEqual(readdirSync(out).sort(), ['bass', 'drums']);
  });

  it('leaves the stems of an earlier run as they are when one cannot be written', async (context) => {
    const { out, workspace, publish, contents } = await setting(context);
    for (const name of ['drums', 'bass']) writeFileSync(path.join(out, name), `old ${name}`);
    mkdirSync(path.join(out, 'other'));
    await assert.rejects(publish('drums', 'bass', 'vocals', 'other'), { code: 'EISDIR' });
    workspace.remove();
    assert.deepEqual(contents(), ['old bass', 'old drums']);
    assert.deepEqual(readdirSync(out).sort(), ['bass', 'drums', 'other']);
  });
});
