/** Archives that are not what they say: one clear error with a code, and no output. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  existsSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { modelsDir, oxboard } from '../support/cli.js';

const folder = temporaryFolder({ after });
const song = makeAudio(path.join(folder, 'song.wav'), '0.4*sin(2*PI*440*t)', { seconds: 1 });

interface Description extends Record<string, unknown> {
  members: { file: string; sha256: string; weights: number[] }[];
}

/** A copy of an archive that the test spoils. */
class Archive {
  readonly library: string;
  readonly network: string;
  readonly #json: string;

  constructor(context: TestContext, name = 'toy') {
    this.library = temporaryFolder(context);
    const directory = path.join(this.library, name);
    cpSync(path.join(modelsDir, name), directory, { recursive: true });
    this.#json = path.join(directory, 'model.json');
    this.network = path.join(directory, this.description.members[0]!.file);
  }

  get description(): Description {
    return JSON.parse(readFileSync(this.#json, 'utf8')) as Description;
  }

  write(text: string): void {
    writeFileSync(this.#json, text);
  }

  change(change: (description: Description) => void): void {
    const { description } = this;
    change(description);
    this.write(JSON.stringify(description));
  }

  /** Makes the checksum right for whatever the file now is. */
  seal(): void {
    const sha256 = createHash('sha256').update(readFileSync(this.network)).digest('hex');
    this.change(({ members }) => (members[0]!.sha256 = sha256));
  }
}

const STACK = /^\s+at .*:\d+|\bc10::|frame #\d/m;

const separate = ({ library }: Archive, songs: readonly string[]) =>
  oxboard([
    'separate', '--json', '-n', 'toy', '--models-dir', library, '-o', path.join(library, 'out'), ...songs,
  ]); // prettier-ignore

async function assertRefused(archive: Archive, code: string, message: RegExp): Promise<void> {
  const songs = [song, song];
  const { status, stdout, stderr } = await separate(archive, songs);
  assert.equal(status, 1, stderr);
  const lines = stdout.trimEnd().split('\n');
  assert.equal(lines.length, songs.length, 'a result for each input');
  for (const line of lines) {
    const { error } = JSON.parse(line) as { error: { code: string; message: string } };
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
  }
  assert.equal(stderr.match(/^oxboard: (?!\d of)/gm)?.length, 1, stderr);
  assert.match(stderr, message);
  assert.doesNotMatch(stderr, STACK, 'no stack trace');
  assert.ok(!existsSync(path.join(archive.library, 'out')));
}

describe('an archive', () => {
  it('that is not installed', async (context) => {
    const archive = new Archive(context, 'htdemucs');
    await assertRefused(archive, 'MODEL_NOT_FOUND', /Model "toy" is not installed.*htdemucs/);
  });

  it('whose file was changed or cut short', async (context) => {
    const changed = new Archive(context);
    appendFileSync(changed.network, 'x');
    await assertRefused(changed, 'MODEL_CHECKSUM', /toy\.pt differs from its checksum/);
    const cut = new Archive(context);
    truncateSync(cut.network, 1000);
    await assertRefused(cut, 'MODEL_CHECKSUM', /toy\.pt differs from its checksum/);
  });

  for (const [what, spoil] of [
    ['is empty', (file: string) => truncateSync(file)],
    ['is a text', (file: string) => writeFileSync(file, 'This is no network.\n'.repeat(100))],
    ['is an audio file', (file: string) => writeFileSync(file, readFileSync(song))],
    ['was cut short before it was sealed', (file: string) => truncateSync(file, 1000)],
  ] as const) {
    it(`whose network ${what}, with a right checksum`, async (context) => {
      const archive = new Archive(context);
      spoil(archive.network);
      archive.seal();
      await assertRefused(archive, 'MODEL_INVALID', /toy\.pt/);
    });
  }

  for (const [what, lie] of [
    [
      'says five sources',
      (description: Description) => {
        description.sources = ['drums', 'bass', 'other', 'vocals', 'piano'];
        description.members[0]!.weights = [1, 1, 1, 1, 1];
      },
    ],
    [
      'says three sources',
      (description: Description) => {
        description.sources = ['drums', 'bass', 'other'];
        description.members[0]!.weights = [1, 1, 1];
      },
    ],
  ] as const) {
    it(`whose description ${what}, which the network has not`, async (context) => {
      const archive = new Archive(context);
      archive.change(lie);
      await assertRefused(archive, 'MODEL_INVALID', /gave .* where its archive promises/);
    });
  }

  it('whose description says one channel, which the network does not take', async (context) => {
    const archive = new Archive(context);
    archive.change((description) => (description.channels = 1));
    const { status, stdout, stderr } = await separate(archive, [song]);
    assert.equal(status, 1, stderr);
    assert.match(stdout, /"code":"INFERENCE_FAILED"/);
    assert.match(stderr, /^oxboard: libtorch could not run toy: .*expected input.* 2 channels/m);
    assert.doesNotMatch(stderr, STACK);
    assert.ok(!existsSync(path.join(archive.library, 'out')));
  });

  it('of six channels, which are not those of files', async (context) => {
    const archive = new Archive(context);
    archive.change((description) => (description.channels = 6));
    const { status, stderr } = await separate(archive, [song]);
    assert.equal(status, 2, stderr);
    assert.match(stderr, /^oxboard: Files are separated by models of 1 or 2 channels/m);
    assert.ok(!existsSync(path.join(archive.library, 'out')));
  });

  for (const [what, text] of [
    ['is not JSON', '{'],
    ['is empty', ''],
    ['is another thing', '[1, 2]'],
    ['names a file elsewhere', undefined],
  ] as const) {
    it(`whose model.json ${what}`, async (context) => {
      const archive = new Archive(context);
      if (text !== undefined) archive.write(text);
      else archive.change(({ members }) => (members[0]!.file = '../../etc/passwd'));
      await assertRefused(archive, 'MODEL_INVALID', /model\.json is/);
    });
  }

  it('whose network is missing', async (context) => {
    const archive = new Archive(context);
    archive.change(({ members }) => (members[0]!.file = 'none.pt'));
    await assertRefused(archive, 'MODEL_INVALID', /names none\.pt, which is missing/);
  });
});
