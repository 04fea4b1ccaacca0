import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { probe } from '../../src/audio/probe.js';
import { outputOptions, resolveOptions, type OutputOptions } from '../../src/options.js';
import {
  separateFile,
  type FileProgress,
  type FileRequest,
} from '../../src/separation/separate-file.js';
import { removeOpenWorkspaces } from '../../src/separation/workspace.js';
import { differenceDb, makeAudio, peak, readAudio, temporaryFolder } from '../support/audio.js';
import { noiseOver } from '../support/damage.js';
import { fakeSeparator, SHARES } from '../support/separator.js';

const NOISE = '0.4*(random(0)*2-1)|0.4*(random(1)*2-1)';
const EXACT: OutputOptions = { clipMode: 'none', bitDepth: '32f' };

interface Setting {
  folder: string;
  song: string;
  out: string;
}

function setting(context: TestContext, seconds = 2.5): Setting {
  const folder = temporaryFolder(context);
  const song = makeAudio(path.join(folder, 'song.wav'), NOISE, {
    seconds,
    options: ['-c:a', 'pcm_f32le'],
  });
  return { folder, song, out: path.join(folder, 'out') };
}

async function run(
  { song, out }: Pick<Setting, 'song' | 'out'>,
  output: OutputOptions = {},
  more: Partial<FileRequest> = {},
) {
  return separateFile({
    input: await probe(song),
    separator: fakeSeparator(),
    output: resolveOptions(outputOptions, { out, ...output }),
    options: {},
    ...more,
  });
}

const scaled = (channels: Float32Array[], factor: number) =>
  channels.map((samples) => samples.map((sample) => sample * factor));

describe('separateFile', () => {
  it('writes every stem at the song’s length and tells all about it', async (context) => {
    const place = setting(context);
    const stages: FileProgress[] = [];
    const result = await run(place, EXACT, { onProgress: (progress) => stages.push(progress) });
    const song = readAudio(place.song);

    assert.deepEqual(Object.keys(result.output.stems), Object.keys(SHARES));
    for (const [name, stem] of Object.entries(result.output.stems)) {
      assert.equal(stem.path, path.join(place.out, 'fake', 'song', `${name}.wav`));
      assert.deepEqual(readAudio(stem.path), scaled(song, SHARES[name]!));
      const bytes = readFileSync(stem.path);
      assert.equal(stem.sizeBytes, bytes.length);
      assert.equal(stem.sha256, createHash('sha256').update(bytes).digest('hex'));
      assert.deepEqual(
        [stem.format, stem.sampleRate, stem.channels, stem.frames, stem.durationSeconds, stem.gain],
        ['wav', 44_100, 2, 110_250, 2.5, 1],
      );
    }
    assert.ok(result.nullTestDb! < -120, String(result.nullTestDb));
    assert.equal(result.input, place.song);
    assert.equal(result.model, 'fake');
    assert.ok(result.seconds > 0 && result.realtimeFactor > 0);
    assert.deepEqual(JSON.parse(JSON.stringify(result.manifest)), {
      device: 'none',
      stems: Object.fromEntries(Object.keys(SHARES).map((name) => [name, { gain: 1 }])),
      output: { format: 'wav', bitDepth: '32f', sampleRate: 44_100, clipMode: 'none' },
    });
    assert.deepEqual(
      [...new Set(stages.map(({ stage }) => stage))],
      ['decoding', 'separating', 'encoding'],
    );
    assert.ok(stages.every(({ fraction }) => fraction >= 0 && fraction <= 1));
    assert.deepEqual(
      readdirSync(path.join(place.out, 'fake')),
      ['song'],
      'no working folder stays',
    );
  });

  it('computes only what is asked for', async (context) => {
    const place = setting(context);
    const separator = fakeSeparator();
    const result = await run(place, {}, { separator, options: { stems: ['bass'] } });
    assert.deepEqual(separator.asked, [['bass']]);
    assert.deepEqual(Object.keys(result.output.stems), ['bass']);
    assert.equal(result.nullTestDb, null);
  });

  for (const { otherMethod, other, asked } of [
    { otherMethod: 'add', other: 'no_vocals', asked: Object.keys(SHARES) },
    { otherMethod: 'minus', other: 'minus_vocals', asked: ['vocals'] },
    { otherMethod: 'none', other: undefined, asked: ['vocals'] },
  ] as const) {
    it(`makes two stems by ${otherMethod}`, async (context) => {
      const place = setting(context);
      const separator = fakeSeparator();
      const result = await run(place, { ...EXACT, twoStems: 'vocals', otherMethod }, { separator });
      assert.deepEqual(separator.asked, [asked]);
      assert.deepEqual(Object.keys(result.output.stems), ['vocals', ...(other ? [other] : [])]);
      assert.equal(result.nullTestDb === null, otherMethod !== 'add');
      if (!other) return;
      const expected = scaled(readAudio(place.song), 1 - SHARES.vocals!);
      const written = readAudio(result.output.stems[other]!.path);
      for (const [channel, samples] of written.entries()) {
        assert.ok(differenceDb(expected[channel]!, samples) < -130);
      }
    });
  }

  it('rescales each stem by itself and reports the gain; the null test is before that', async (context) => {
    const place = setting(context);
    const separator = fakeSeparator(undefined, { quiet: 0.5, loud: 5 });
    const result = await run(place, { bitDepth: '32f' }, { separator });
    const { quiet, loud } = result.output.stems;
    assert.equal(quiet!.gain, 1);
    assert.ok(loud!.gain < 0.6);
    assert.ok(Math.max(...readAudio(loud!.path).map(peak)) <= 1 / 1.01 + 1e-6);
    assert.ok(Math.abs(result.nullTestDb! - 20 * Math.log10(4.5)) < 0.01);
    assert.deepEqual((result.manifest as { stems: unknown }).stems, {
      quiet: { gain: 1 },
      loud: { gain: loud!.gain },
    });
  });

  it('gives no null test for silence', async (context) => {
    const place = setting(context);
    makeAudio(place.song, '0|0');
    assert.equal((await run(place)).nullTestDb, null);
  });

  it('resamples stems when asked', async (context) => {
    const place = setting(context);
    makeAudio(place.song, NOISE, { sampleRate: 48_000 });
    const kept = (await run(place, { sampleRate: 'keep' })).output.stems.bass!;
    assert.deepEqual([kept.sampleRate, kept.frames], [48_000, 48_000]);
    const given = (await run(place, { sampleRate: 22_050 })).output.stems.bass!;
    assert.deepEqual([given.sampleRate, given.frames], [22_050, 22_050]);
    assert.equal(readAudio(given.path)[0]!.length, 22_050);
  });

  it('adds a mix of stems', async (context) => {
    const place = setting(context);
    const separator = fakeSeparator();
    const result = await run(place, EXACT, {
      separator,
      options: { stems: ['vocals'], mix: ['rhythm=bass+drums'] },
    });
    assert.deepEqual(separator.asked, [['drums', 'bass', 'vocals']]);
    assert.deepEqual(Object.keys(result.output.stems), ['vocals', 'rhythm']);
    const song = readAudio(place.song);
    const [left] = readAudio(result.output.stems.rhythm!.path);
    assert.ok(
      differenceDb(
        song[0]!.map((sample) => sample * 0.3),
        left!,
      ) < -130,
    );
    const all = await run(place, EXACT, { options: { mix: ['rhythm=bass+drums'] } });
    assert.ok(all.nullTestDb! < -120, 'a mix does not count in the null test');
  });

  describe('mixture-consistent stems', () => {
    const LOSSY = { a: 0.3, b: 0.5, c: -0.1 };

    const sumOf = (stems: Awaited<ReturnType<typeof run>>['output']['stems'], side: number) =>
      Object.values(stems)
        .map(({ path: file }) => readAudio(file)[side]!)
        .reduce((sum, samples) => sum.map((sample, at) => sample + samples[at]!));

    it('add up to the song', async (context) => {
      const place = setting(context);
      const separator = fakeSeparator(undefined, LOSSY);
      const options = { mixtureConsistent: true };
      const result = await run(place, EXACT, { separator, options });
      for (const [side, samples] of readAudio(place.song).entries()) {
        assert.ok(differenceDb(samples, sumOf(result.output.stems, side)) < -120);
      }
      // What was left, 0.3 of the song, is spread evenly.
      const [left] = readAudio(result.output.stems.a!.path);
      const expected = readAudio(place.song)[0]!.map((sample) => sample * 0.4);
      assert.ok(differenceDb(expected, left!) < -120);
      assert.ok(result.nullTestDb! < -120);
    });

    it('need all sources of the model, also for one stem', async (context) => {
      const place = setting(context);
      const separator = fakeSeparator(undefined, LOSSY);
      const options = { mixtureConsistent: true, stems: ['b'] };
      const result = await run(place, EXACT, { separator, options });
      assert.deepEqual(separator.asked, [['a', 'b', 'c']]);
      assert.deepEqual(Object.keys(result.output.stems), ['b']);
    });

    it('have one gain', async (context) => {
      const place = setting(context);
      const separator = fakeSeparator(undefined, { quiet: 0.5, loud: 5 });
      const result = await run(
        place,
        { bitDepth: '32f' },
        { separator, options: { mixtureConsistent: true } },
      );
      const { quiet, loud } = result.output.stems;
      assert.equal(quiet!.gain, loud!.gain);
      assert.ok(loud!.gain < 1);
      const scaledSong = readAudio(place.song)[0]!.map((sample) => sample * loud!.gain);
      assert.ok(differenceDb(scaledSong, sumOf(result.output.stems, 0)) < -120);
    });
  });

  describe('a part of a song', () => {
    it('is what the whole has there', async (context) => {
      const place = setting(context);
      const separator = fakeSeparator();
      const result = await run(place, EXACT, {
        separator,
        options: { start: 0.5, end: 2.25 },
      });
      const [left] = readAudio(place.song);
      const { vocals } = result.output.stems;
      assert.equal(vocals!.frames, 1.75 * 44_100);
      assert.deepEqual(
        readAudio(vocals!.path)[0],
        left!.slice(0.5 * 44_100, 2.25 * 44_100).map((sample) => sample * SHARES.vocals!),
      );
      assert.ok(result.nullTestDb! < -120);
      assert.equal(result.songSeconds, 2.5);
    });

    it('ends with the song', async (context) => {
      const place = setting(context);
      const { bass } = (await run(place, {}, { options: { start: 2, end: 100 } })).output.stems;
      assert.equal(bass!.durationSeconds, 0.5);
      await assert.rejects(run(place, {}, { options: { start: 2.5 } }), {
        code: 'INVALID_OPTION',
        message: /before the end of the song \(2\.500 s\) for start/,
      });
    });
  });

  describe('says what its owner should know', () => {
    it('of damage, and refuses what has lost more than a tenth', async (context) => {
      const place = setting(context);
      const song = makeAudio(path.join(place.folder, 'song.flac'), NOISE, { seconds: 10 });
      noiseOver(song, { from: 0.3, share: 0.03 });
      const { warnings } = await run({ ...place, song });
      assert.deepEqual(
        warnings.map(({ code }) => code),
        ['AUDIO_DAMAGED'],
      );
      assert.match(
        warnings[0]!.message,
        /^The audio is damaged at 2\.\d s, 0\.\d+ s of it are lost/,
      );
      noiseOver(song, { from: 0.5, share: 0.2 });
      await assert.rejects(run({ ...place, song }), { code: 'INPUT_DAMAGED' });
      const allowed = await run({ ...place, song }, { allowDamaged: true });
      assert.equal(allowed.output.stems.bass!.durationSeconds, 10);
    });

    it('of a file that ends early', async (context) => {
      const place = setting(context);
      const song = makeAudio(path.join(place.folder, 'song.mp3'), NOISE, { seconds: 10 });
      writeFileSync(song, readFileSync(song).subarray(0, 40_000));
      const { warnings } = await run({ ...place, song });
      assert.deepEqual(
        warnings.map(({ code }) => code),
        ['AUDIO_ENDS_EARLY'],
      );
      assert.match(
        warnings[0]!.message,
        /ends at 2\.\d s, but the file says that it lasts 10\.\d s/,
      );
    });

    it('of a bit depth that the format does not have', async (context) => {
      const place = setting(context);
      const { warnings } = await run(place, { format: 'mp3', bitDepth: '24' });
      assert.deepEqual(
        warnings.map(({ code }) => code),
        ['OPTION_WITHOUT_EFFECT'],
      );
      assert.deepEqual((await run(place)).warnings, []);
    });
  });

  it('tells names apart where case and accents do not count', async (context) => {
    const place = setting(context);
    const taken = new Set<string>();
    const names = ['Song.wav', 'song.wav', 'Cafe\u0301.wav', 'Caf\u00e9.wav'];
    const folders: string[] = [];
    for (const name of names) {
      const song = path.join(place.folder, name);
      writeFileSync(song, readFileSync(place.song));
      const { bass } = (await run({ ...place, song }, {}, { taken })).output.stems;
      folders.push(path.basename(path.dirname(bass!.path)));
    }
    assert.deepEqual(folders, ['Song', 'song (2)', 'Cafe\u0301', 'Caf\u00e9 (2)']);
  });

  it('replaces what an earlier run wrote, and only once all is done', async (context) => {
    const place = setting(context);
    const first = await run(place);
    const file = first.output.stems.drums!.path;
    const before = readFileSync(file);
    const broken = fakeSeparator((offset) => {
      if (offset > 0) throw new Error('broken');
    });
    await assert.rejects(run(place, {}, { separator: broken }), /broken/);
    assert.deepEqual(readFileSync(file), before);
    await run(place, EXACT);
    assert.notDeepEqual(readFileSync(file), before);
  });

  describe('leaves nothing behind', () => {
    const nothing = ({ out }: Setting) =>
      assert.ok(!existsSync(out), 'the output folder is gone too');

    it('when the separation fails', async (context) => {
      const place = setting(context);
      const separator = fakeSeparator(() => Promise.reject(new Error('broken')));
      await assert.rejects(run(place, {}, { separator }), /broken/);
      nothing(place);
    });

    it('when it is aborted while separating and while encoding', async (context) => {
      const place = setting(context);
      for (const stage of ['decoding', 'separating', 'encoding']) {
        const abort = new AbortController();
        const reason = new Error('enough');
        const onProgress = (progress: FileProgress) => {
          if (progress.stage === stage) abort.abort(reason);
        };
        await assert.rejects(
          run(place, { format: 'mp3' }, { signal: abort.signal, onProgress }),
          reason,
        );
        nothing(place);
      }
    });

    it('when the input has no samples', async (context) => {
      const place = setting(context);
      makeAudio(place.song, '0|0', { options: ['-t', '0'] });
      await assert.rejects(run(place), { code: 'INPUT_EMPTY' });
      nothing(place);
    });

    it('when the process is about to die', async (context) => {
      const place = setting(context);
      const separator = fakeSeparator(() => {
        assert.match(readdirSync(path.join(place.out, 'fake')).join(), /^\.oxboard-/);
        removeOpenWorkspaces();
        nothing(place);
        throw new Error('dead');
      });
      await assert.rejects(run(place, {}, { separator }), /dead/);
    });
  });

  it('refuses an output folder that is a file or under one, and a file whose place is a folder', async (context) => {
    const place = setting(context);
    for (const out of [place.song, path.join(place.song, 'below')]) {
      await assert.rejects(run({ ...place, out }), { code: 'OUTPUT_UNWRITABLE' });
    }
    const blocked = path.join(place.out, 'fake', 'song', 'drums.wav');
    mkdirSync(blocked, { recursive: true });
    await assert.rejects(run(place), { code: 'OUTPUT_UNWRITABLE', message: /folder of that name/ });
    assert.deepEqual(readdirSync(path.join(place.out, 'fake')), ['song']);
    assert.deepEqual(readdirSync(path.join(place.out, 'fake', 'song')), ['drums.wav']);
  });

  it('never writes over its own input', async (context) => {
    const place = setting(context);
    const folder = path.join(place.out, 'fake');
    mkdirSync(folder, { recursive: true });
    const song = path.join(folder, 'vocals.wav');
    writeFileSync(song, readFileSync(place.song));
    await assert.rejects(run({ ...place, song }, { filename: '{stem}.{ext}' }), {
      code: 'OUTPUT_UNWRITABLE',
    });
    assert.deepEqual(readFileSync(song), readFileSync(place.song));
  });

  it('tells songs of one name in one run apart', async (context) => {
    const place = setting(context);
    const taken = new Set<string>();
    for (const name of ['song', 'song (2)', 'song (3)']) {
      const { drums } = (await run(place, {}, { taken })).output.stems;
      assert.equal(drums!.path, path.join(place.out, 'fake', name, 'drums.wav'));
    }
    const output = { filename: '{stem}.{ext}' };
    await run(place, output, { taken });
    await assert.rejects(run(place, output, { taken }), {
      code: 'OUTPUT_UNWRITABLE',
      message: /would overwrite .*\/drums\.wav of an earlier input/,
    });
  });

  it('goes back to the song’s own length with its own sample rate', async (context) => {
    const place = setting(context);
    for (const [sampleRate, frames] of [
      [48_000, 33_601],
      [48_000, 48_000],
      [96_000, 67_201],
    ] as const) {
      makeAudio(place.song, NOISE, {
        sampleRate,
        options: ['-af', `atrim=end_sample=${String(frames)}`],
      });
      const { bass } = (await run(place, { sampleRate: 'keep' })).output.stems;
      assert.deepEqual([bass!.sampleRate, bass!.frames], [sampleRate, frames]);
      assert.equal(readAudio(bass!.path)[0]!.length, frames);
    }
  });
});
