import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pathPart, songName } from '../../src/lib/file-names.js';

describe('a part of a path', () => {
  for (const [name, part] of [
    ['a song.mp3', 'a song.mp3'],
    ['..', '_'],
    ['.', '_'],
    ['../up', '.._up'],
    ['a\\b\0c\nd', 'a_b_c_d'],
    ['\uD800', '_'],
    ['\u202egnp', '\u202egnp'],
    ['', ''],
  ] as const) {
    it(`of ${JSON.stringify(name)} is ${JSON.stringify(part)}`, () => {
      assert.equal(pathPart(name), part);
    });
  }
});

describe('the name of a song', () => {
  for (const [name, shown] of [
    ['  Träume.flac ', 'Träume.flac'],
    ['..', 'song'],
    ['', 'song'],
    ['AC/DC\nlive', 'AC_DC_live'],
    ['\u202egnp.exe\u2028\uD800', '_gnp.exe__'],
  ] as const) {
    it(`of ${JSON.stringify(name)} is ${JSON.stringify(shown)}`, () => {
      assert.equal(songName(name, 100), shown);
    });
  }

  it('is cut between characters', () => {
    assert.equal(songName('🎵'.repeat(5), 3), '🎵'.repeat(3));
  });
});
