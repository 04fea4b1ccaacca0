import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import {
  checkTemplate,
  folderName,
  stemPath,
  trackName,
} from '../../src/separation/output-names.js';

const TEMPLATE = '{track}/{stem}.{ext}';
const names = { track: 'song', stem: 'vocals', ext: 'wav', model: 'htdemucs' };

describe('the names of outputs', () => {
  it('follow the template below the folder of the model', () => {
    assert.equal(stemPath(TEMPLATE, names), 'htdemucs/song/vocals.wav');
    assert.equal(
      stemPath('{track} - {stem} ({model}).{ext}', names),
      'htdemucs/song - vocals (htdemucs).wav',
    );
  });

  it('take the track from the file’s name', () => {
    assert.equal(trackName('/music/a.b.mp3'), 'a.b');
    assert.equal(trackName('.mp3'), '.mp3');
    assert.equal(trackName('/music/St. Anger'), 'St. Anger');
    assert.equal(trackName('St. Anger.FLAC'), 'St. Anger');
    assert.equal(trackName('Vol. 2'), 'Vol. 2');
  });

  it('have no characters that exFAT and Windows shares lack, where they are asked for so', () => {
    const track = 'What? "A*B": <C|D>. .';
    assert.equal(
      stemPath(TEMPLATE, { ...names, track }, true),
      'htdemucs/What_ _A_B__ _C_D____/vocals.wav',
    );
    assert.equal(stemPath(TEMPLATE, { ...names, track }), `htdemucs/${track}/vocals.wav`);
  });

  for (const track of [
    '..',
    '.',
    '../..',
    '/etc/passwd',
    'a/../../b',
    '..\\..',
    'a\0b',
    'new\nline',
    '{stem}',
    '\uD800',
    '',
  ]) {
    it(`cannot lead elsewhere by a track named ${JSON.stringify(track)}`, () => {
      for (const template of [TEMPLATE, '{track}{stem}.{ext}', '{track}/{track}/{stem}']) {
        const place = stemPath(template, { ...names, track });
        const resolved = path.resolve('/out', place);
        assert.ok(resolved.startsWith('/out/htdemucs/'), resolved);
        assert.doesNotMatch(place, /[\p{Cc}\p{Cs}]/u);
      }
    });
  }

  it('join dots of the template and of the track without climbing', () => {
    assert.equal(
      stemPath('.{track}/{stem}.{ext}', { ...names, track: '.' }),
      'htdemucs/._/vocals.wav',
    );
    assert.equal(folderName('..'), '_');
  });

  it('are cut at what file systems allow, between letters, and keep the extension', () => {
    const long = 'é'.repeat(200);
    const parts = stemPath('{track}/{track}.{ext}', { ...names, track: long }).split('/');
    for (const part of parts) assert.ok(Buffer.byteLength(part) <= 255);
    assert.match(parts[2]!, /^é+\.wav$/);
    assert.match(parts[1]!, /^é+$/);
  });

  for (const [template, reason] of [
    ['{track}/{song}.{ext}', /unknown \{song\}/],
    ['../{track}/{stem}.{ext}', /stay within/],
    ['/tmp/{stem}.{ext}', /stay within/],
    ['{track}/../../{stem}', /stay within/],
    ['{track}/{stem}/', /end in a file name/],
    ['{track}.{ext}', /needs \{stem\}/],
  ] as const) {
    it(`refuse the template ${template}`, () => {
      assert.throws(() => checkTemplate(template, 4), { code: 'INVALID_OPTION', message: reason });
    });
  }

  it('need no {stem} for a single stem', () => {
    assert.doesNotThrow(() => checkTemplate('{track}.{ext}', 1));
  });
});
