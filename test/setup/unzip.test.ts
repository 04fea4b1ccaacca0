/** Unpacking of downloaded archives during set-up. */
import assert from 'node:assert/strict';
import { existsSync, lstatSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import yazl from 'yazl';
import { temporaryFolder } from '../support/audio.js';

interface UnzipScript {
  unzip: (
    archive: string,
    folder: string,
    options?: {
      wants?: (names: string[]) => string[];
      onProgress?: (done: number, total: number) => void;
    },
  ) => Promise<void>;
  readZipped: (archive: string, ending: string) => Promise<string>;
}
const script = new URL('../../scripts/setup/unzip.mjs', import.meta.url);
const { unzip, readZipped } = (await import(script.href)) as UnzipScript;

const root = temporaryFolder({ after });
let count = 0;

interface Entry {
  name: string;
  content: string;
  mode?: number;
  zip64?: boolean;
}
const SYMLINK = 0o120777;

/** Writes an archive and names a new folder to unpack it into. `change` damages its bytes. */
async function zipped(
  entries: Entry[],
  change: (bytes: Buffer) => Buffer = (bytes) => bytes,
): Promise<{ archive: string; folder: string }> {
  const zip = new yazl.ZipFile();
  for (const { name, content, mode = 0o100644, zip64: forceZip64Format = false } of entries) {
    zip.addBuffer(Buffer.from(content), name, { mode, forceZip64Format, compress: false });
  }
  zip.end();
  const folder = temporaryFolder({ after });
  const archive = path.join(root, `${String(count++)}.zip`);
  writeFileSync(archive, change(await buffer(zip.outputStream)));
  return { archive, folder };
}

/** Replaces a text by another one of the same length, everywhere. */
const replaceAll = (from: string, to: string) => (bytes: Buffer) =>
  Buffer.from(bytes.toString('latin1').replaceAll(from, to), 'latin1');

describe('unzip', () => {
  it('writes the wanted files, with executable bits and links, and tells how far it is', async () => {
    const { archive, folder } = await zipped([
      { name: 'lib/libx.so', content: 'libx.so.1', mode: SYMLINK },
      { name: 'lib/libx.so.1', content: '../data/libx.so.1.2', mode: SYMLINK },
      { name: 'data/libx.so.1.2', content: 'a library', mode: 0o100755 },
      { name: 'large', content: 'with 64-bit sizes', zip64: true },
      { name: 'unwanted', content: 'x' },
    ]);
    const progress: number[][] = [];
    await unzip(archive, folder, {
      wants: (names) => names.filter((name) => name !== 'unwanted'),
      onProgress: (done, total) => progress.push([done, total]),
    });
    const at = (name: string) => path.join(folder, name);
    assert.equal(readFileSync(at('lib/libx.so'), 'utf8'), 'a library');
    assert.ok(lstatSync(at('lib/libx.so')).isSymbolicLink());
    assert.equal(statSync(at('data/libx.so.1.2')).mode & 0o777, 0o755);
    assert.equal(statSync(at('large')).mode & 0o111, 0);
    assert.equal(readFileSync(at('large'), 'utf8'), 'with 64-bit sizes');
    assert.ok(!existsSync(at('unwanted')));
    const total = 'libx.so.1../data/libx.so.1.2a librarywith 64-bit sizes'.length;
    assert.deepEqual(progress.at(-1), [total, total]);
  });

  for (const name of ['../x', '/abcd', 'a/../../b', 'C:/x', 'a\\..\\b']) {
    it(`refuses the name ${name}`, async () => {
      const stand = 'N'.repeat(name.length);
      const { archive, folder } = await zipped(
        [{ name: stand, content: 'x' }],
        replaceAll(stand, name),
      );
      await assert.rejects(unzip(archive, folder), /invalid|absolute path/);
      assert.ok(!existsSync(path.join(folder, name)));
    });
  }

  for (const target of ['../elsewhere', '/etc/passwd', '..', 'nothing']) {
    it(`refuses a link to ${target}`, async () => {
      const { archive, folder } = await zipped([{ name: 'link', content: target, mode: SYMLINK }]);
      writeFileSync(path.join(root, 'elsewhere'), 'x');
      await assert.rejects(unzip(archive, folder), /leads out of the archive|ENOENT/);
    });
  }

  it('writes nothing through a link', async () => {
    const { archive, folder } = await zipped([
      { name: 'folder', content: root, mode: SYMLINK },
      { name: 'folder/written', content: 'x' },
    ]);
    await assert.rejects(unzip(archive, folder), { code: 'EEXIST' });
    assert.ok(!existsSync(path.join(root, 'written')));
  });

  it('refuses damaged content, and a file that is there already', async () => {
    const entries = [{ name: 'file', content: 'the content' }];
    const damaged = await zipped(entries, replaceAll('the content', 'tje content'));
    await assert.rejects(unzip(damaged.archive, damaged.folder), /file is damaged/);
    const { archive, folder } = await zipped(entries);
    await unzip(archive, folder);
    await assert.rejects(unzip(archive, folder), { code: 'EEXIST' });
  });

  it('refuses what is no archive', async () => {
    const file = path.join(root, 'page.html');
    writeFileSync(file, '<html>Sign in to this network</html>'.repeat(10));
    await assert.rejects(unzip(file, root), /end of central directory/i);
  });
});

describe('readZipped', () => {
  it('gives the text of one file', async () => {
    const { archive } = await zipped([
      { name: 'x.dist-info/METADATA', content: 'Name: x' },
      { name: 'other', content: '' },
    ]);
    assert.equal(await readZipped(archive, '.dist-info/METADATA'), 'Name: x');
    await assert.rejects(readZipped(archive, 'RECORD'), /no RECORD in it/);
  });
});
