/** What stems carry over from their song, in every format that can hold it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { probe } from '../../src/audio/probe.js';
import { stemTexts } from '../../src/audio/tags.js';
import { FORMATS, outputOptions, resolveOptions } from '../../src/options.js';
import { separateFile } from '../../src/separation/separate-file.js';
import { ffmpeg, makeAudio, temporaryFolder } from '../support/audio.js';
import { fakeSeparator } from '../support/separator.js';

const SINE = '0.5*sin(2*PI*1000*t)';
const TITLE = 'Ein Lied; =mit\\ # "Zeichen" – 歌';
const TAGS = ['title', 'artist', 'album', 'track'] as const;
/** Those that WAV files have no place for, and those that they have. */
const MORE = { album_artist: 'Alle', composer: 'Eine', disc: '2/3' };
const MORE_IN_WAV = { genre: 'Pop', date: '1999', comment: 'Ein Wort' };

/** A song with every tag and a red cover. */
function taggedSong(folder: string, extension: string, coverCodec: string): string {
  const plain = makeAudio(path.join(folder, 'plain.wav'), `${SINE}|${SINE}`);
  const song = path.join(folder, `song.${extension}`);
  ffmpeg(
    '-i', plain, '-f', 'lavfi', '-i', 'color=red:s=64x48:d=1', '-map', '0:a', '-map', '1:v',
    '-frames:v', '1', '-c:v', coverCodec, '-pix_fmt', coverCodec === 'png' ? 'rgb24' : 'yuvj420p',
    '-disposition:v', 'attached_pic',
    '-metadata', `title=${TITLE}`, '-metadata', 'artist=Jemand', '-metadata', 'album=Ein Album',
    '-metadata', 'track=3/12',
    ...Object.entries({ ...MORE, ...MORE_IN_WAV }).flatMap(([name, text]) => ['-metadata', `${name}=${text}`]),
    song,
  ); // prettier-ignore
  return song;
}

async function vocalsOf(song: string, out: string, format: (typeof FORMATS)[number]) {
  const { output } = await separateFile({
    input: await probe(song),
    separator: fakeSeparator(),
    output: resolveOptions(outputOptions, { out, format }),
    options: { stems: ['vocals'] },
  });
  return output.stems.vocals!.path;
}

/** A file's cover as an RGB pixel of its middle. */
function coverColour(file: string): number[] {
  const picture = execFileSync('ffmpeg', [
    '-v', 'error', '-i', `file:${file}`, '-map', '0:v', '-vf', 'format=rgb24,crop=1:1', '-frames:v', '1',
    '-f', 'rawvideo', 'pipe:1',
  ]); // prettier-ignore
  return [...picture];
}

describe('the tags of stems', () => {
  for (const [extension, coverCodec] of [
    ['flac', 'png'],
    ['mp3', 'mjpeg'],
    ['m4a', 'mjpeg'],
  ] as const) {
    const song = taggedSong(temporaryFolder({ after }), extension, coverCodec);
    for (const format of FORMATS) {
      it(`go from ${extension} to ${format}`, async (context) => {
        const stem = await vocalsOf(song, temporaryFolder(context), format);
        const { tags, cover, codec } = await probe(stem);
        assert.deepEqual(Object.fromEntries(TAGS.map((name) => [name, tags[name]])), {
          title: `${TITLE} (vocals)`,
          artist: 'Jemand',
          album: 'Ein Album',
          track: '3/12',
        });
        const more = { ...(format !== 'wav' && MORE), ...MORE_IN_WAV };
        for (const [name, text] of Object.entries(more)) assert.equal(tags[name], text, name);
        assert.notEqual(codec, coverCodec);
        if (format === 'wav') {
          assert.equal(cover, undefined);
          return;
        }
        assert.deepEqual(
          { ...cover, index: 1 },
          { index: 1, codec: coverCodec, width: 64, height: 48 },
        );
        const [red = 0, green = 255, blue = 255] = coverColour(stem);
        assert.ok(red > 240 && green < 20 && blue < 20, String([red, green, blue]));
      });
    }
  }

  it('hold a large cover in opus', async (context) => {
    const folder = temporaryFolder(context);
    const plain = makeAudio(path.join(folder, 'plain.wav'), SINE);
    const song = path.join(folder, 'song.mp3');
    ffmpeg(
      '-i', plain, '-f', 'lavfi', '-i', 'nullsrc=s=1200x1200:d=1,geq=random(1)*255:128:128', '-map', '0:a',
      '-map', '1:v', '-frames:v', '1', '-c:v', 'png', '-disposition:v', 'attached_pic', song,
    ); // prettier-ignore
    assert.ok(readFileSync(song).length > 1e6);
    const { cover } = await probe(await vocalsOf(song, folder, 'opus'));
    assert.equal(cover!.width, 1200);
  });

  it('name the stem after the file where there is no title', () => {
    assert.deepEqual(stemTexts({}, 'My song', 'drums'), { title: 'My song (drums)' });
    assert.deepEqual(stemTexts({ title: ' \n' }, 'My song', 'drums'), { title: 'My song (drums)' });
    assert.deepEqual(stemTexts({ artist: 'A' }, null, 'drums'), { artist: 'A' });
  });

  it('are one line of readable length, whatever the song says', () => {
    const { title, artist, other } = stemTexts(
      { title: 'a\nb=c\0d', artist: 'x'.repeat(1e6), other: 'not carried' },
      '',
      'bass',
    );
    assert.equal(title, 'a b=c d (bass)');
    assert.equal(artist!.length, 500);
    assert.equal(other, undefined);
  });

  for (const [what, first, last] of [
    ['is no picture', 0, 24],
    ['begins as a picture and goes on as something else', 8, 60],
  ] as const) {
    it(`leave out a cover that ${what}, and keep the stems`, async (context) => {
      const folder = temporaryFolder(context);
      const song = taggedSong(folder, 'flac', 'png');
      const bytes = readFileSync(song);
      const at = bytes.indexOf('\x89PNG', 0, 'latin1');
      assert.ok(at > 0);
      writeFileSync(song, bytes.fill(0x20, at + first, at + last));
      for (const format of FORMATS) {
        const stem = await vocalsOf(song, folder, format);
        const { cover, tags } = await probe(stem);
        assert.equal(cover, undefined);
        assert.equal(tags.artist, 'Jemand');
      }
    });
  }

  it('are those of the song, not of the audio stream in a video', async (context) => {
    const folder = temporaryFolder(context);
    const video = path.join(folder, 'video.mkv');
    ffmpeg(
      '-f', 'lavfi', '-i', 'testsrc=d=1:s=64x64', '-f', 'lavfi', '-i', `aevalsrc=${SINE}:d=1`,
      '-c:v', 'mpeg4', '-c:a', 'flac', '-metadata', 'title=The song', '-metadata:s:a', 'title=English 5.1', video,
    ); // prettier-ignore
    const { tags, cover } = await probe(await vocalsOf(video, folder, 'flac'));
    assert.equal(tags.title, 'The song (vocals)');
    const untitled = path.join(folder, 'Untitled video.mkv');
    ffmpeg('-i', video, '-c', 'copy', '-metadata', 'title=', untitled);
    const stem = await probe(await vocalsOf(untitled, folder, 'flac'));
    assert.equal(stem.tags.title, 'Untitled video (vocals)');
    assert.equal(cover, undefined);
  });
});
