/** What `oxboard separate` takes as inputs beside files. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { before, describe, it, after } from 'node:test';
import { filesOf } from '../../src/bin/inputs.js';
import { makeAudio, temporaryFolder } from '../support/audio.js';
import { modelsDir, oxboard } from '../support/cli.js';

const folder = temporaryFolder({ after });
const at = (...names: string[]) => path.join(folder, ...names);
const OUT = at('separated');
const notFound = (message: RegExp) => ({ code: 'INPUT_NOT_FOUND', message });

before(() => {
  const song = makeAudio(at('b.wav'), '0.3*sin(2*PI*440*t)', { seconds: 1 });
  for (const name of [
    'A.FLAC',
    'notes.txt',
    'below/c.mp3',
    'separated/toy/b/vocals.wav',
    'none/x',
  ]) {
    mkdirSync(path.dirname(at(name)), { recursive: true });
    copyFileSync(song, at(name));
  }
});

describe('the files of an input', () => {
  const found = (input: string, recursive = false) => filesOf(input, { recursive, out: OUT });
  const files = async (input: string, recursive = false) =>
    (await found(input, recursive)).map(({ file }) => file);

  it('are those of a folder that are audio, and with -r those below it, but no stems', async () => {
    assert.deepEqual(await files(folder), [at('A.FLAC'), at('b.wav')]);
    assert.deepEqual(await files(folder, true), [at('A.FLAC'), at('b.wav'), at('below', 'c.mp3')]);
  });

  it('have their folder below the one that was searched', async () => {
    const folders = (await found(folder, true)).map((file) => file.folder);
    assert.deepEqual(folders, ['', '', 'below']);
  });

  it('are those that fit a quoted pattern', async () => {
    const pattern = at('**', '*.{wav,mp3}');
    assert.deepEqual(await files(pattern), [at('b.wav'), at('below', 'c.mp3')]);
  });

  it('are the input itself where there is such a file, or nothing to expand', async () => {
    for (const name of [at('b.wav'), at('notes.txt'), at('missing.wav')]) {
      assert.deepEqual(await files(name), [name]);
    }
    const odd = at('what [live]?.wav');
    copyFileSync(at('b.wav'), odd);
    assert.deepEqual(await files(odd), [odd]);
  });

  it('are missing in words that say what to do', async () => {
    await assert.rejects(
      files(at('none')),
      notFound(/has no audio files. -r searches the folders below/),
    );
    await assert.rejects(files(at('none'), true), notFound(/has no audio files$/));
    await assert.rejects(files(at('*.ogg')), notFound(/^No file fits /));
    await assert.rejects(files('https://youtu.be/abc'), notFound(/is a link. Download it first/));
  });
});

describe('oxboard separate', () => {
  it('separates the songs of a folder, and says nothing with -q', async () => {
    const out = at('out');
    const flags = ['-n', 'toy', '--models-dir', modelsDir, '-o', out, '-q'];
    const { status, stdout, stderr } = await oxboard(['separate', at('below'), ...flags]);
    assert.deepEqual([status, stdout, stderr], [0, '', '']);
    assert.ok(existsSync(path.join(out, 'toy/c/vocals.wav')));
  });

  it('keeps the folders below one that is searched with -r apart', async () => {
    const out = at('out3');
    mkdirSync(at('albums', 'one'), { recursive: true });
    mkdirSync(at('albums', 'two'));
    for (const album of ['one', 'two']) copyFileSync(at('b.wav'), at('albums', album, 'song.wav'));
    const flags = ['-n', 'toy', '--models-dir', modelsDir, '-o', out, '-q', '--stems', 'bass'];
    const { status, stderr } = await oxboard(['separate', '-r', at('albums'), ...flags]);
    assert.deepEqual([status, stderr], [0, '']);
    for (const album of ['one', 'two']) {
      assert.ok(existsSync(path.join(out, 'toy', album, 'song', 'bass.wav')));
    }
  });

  it('goes on after an input that is wrong', async () => {
    const flags = ['-n', 'toy', '--models-dir', modelsDir, '-o', at('out2'), '--json'];
    const inputs = [at('none'), at('below')];
    const { status, stdout } = await oxboard(['separate', ...inputs, ...flags]);
    assert.equal(status, 1);
    const [first, second] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    assert.deepEqual(Object.keys(first ?? {}), ['input', 'error']);
    assert.ok('output' in (second ?? {}));
  });

  it('is named where a song is given as a command, or its name is taken for a flag', async () => {
    const command = await oxboard(['song.mp3']);
    assert.equal(command.status, 2);
    assert.match(command.stderr, /^To separate it: oxboard separate song.mp3$/m);
    const link = await oxboard(['https://youtu.be/x']);
    assert.equal(link.status, 2);
    assert.match(link.stderr, /^Download it first/m);
    const dash = await oxboard(['separate', '-dash.mp3']);
    assert.equal(dash.status, 2);
    assert.match(dash.stderr, /: oxboard separate -- -dash.mp3$/m);
  });
});
