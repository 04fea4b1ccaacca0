/** Strangers' files: right stems, or one clear error with a code; nothing left behind. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ffmpeg, makeAudio, peak, readAudio, temporaryFolder } from '../support/audio.js';
import { modelsDir, oxboard, type Outcome } from '../support/cli.js';

const RATE = 44_100;
const SOURCES = ['drums', 'bass', 'other', 'vocals'];
const NOBODY = 65_534;

const folder = temporaryFolder({ after });
const place = (name: string) => path.join(folder, name);
let song: string;
let runs = 0;

interface Result {
  input: string;
  error?: { code: string; message: string };
  output?: { stems: Record<string, { path: string; frames: number }> };
}

/** Runs the command with JSON, with an output folder of its own. */
async function separate(
  inputs: readonly string[],
  { flags = [], ...options }: { flags?: string[]; out?: string; uid?: number; cwd?: string } = {},
) {
  const out = options.out ?? place(`out-${String(runs++)}`);
  const outcome = await oxboard(
    [
      'separate',
      '--json',
      '-n',
      'toy',
      '--models-dir',
      modelsDir,
      '-o',
      out,
      ...flags,
      '--',
      ...inputs,
    ],
    { cwd: options.cwd, ...(options.uid !== undefined && { uid: options.uid }) },
  );
  return { ...outcome, out, results: resultsOf(outcome) };
}

const resultsOf = ({ stdout }: Outcome): Result[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Result);

type Run = Awaited<ReturnType<typeof separate>>;

function assertRefused(run: Run, code: string, message: RegExp, status = 1): void {
  assert.equal(run.status, status, run.stderr);
  const [result, ...more] = run.results;
  assert.equal(more.length, 0);
  assert.equal(result?.error?.code, code, result?.error?.message);
  assert.match(result.error.message, message);
  const lines = run.stderr.split('\n').filter((line) => line.startsWith('oxboard: '));
  assert.deepEqual(lines, [`oxboard: ${result.error.message}`], 'one line for people');
  assert.doesNotMatch(run.stderr, /^\s+at .*:\d+/m, 'no stack trace');
  assert.ok(!existsSync(run.out), 'nothing is left behind');
}

/** Every stem, finite, at the given length, with nothing beside them. */
function assertSeparated(run: Run, frames: number): Record<string, Float32Array[]> {
  assert.equal(run.status, 0, run.stderr);
  const stems = run.results[0]!.output!.stems;
  assert.deepEqual(Object.keys(stems), SOURCES);
  assert.deepEqual(readdirSync(path.join(run.out, 'toy')).length, 1);
  return Object.fromEntries(
    Object.entries(stems).map(([name, stem]) => {
      assert.equal(stem.frames, frames);
      const channels = readAudio(stem.path);
      for (const samples of channels) {
        assert.equal(samples.length, frames);
        assert.ok(samples.every(Number.isFinite));
      }
      return [name, channels];
    }),
  );
}

/** A WAV of float32 samples. */
function floatWav(name: string, samples: Float32Array): string {
  const raw = place(`${name}.f32`);
  writeFileSync(raw, samples);
  ffmpeg(
    '-f',
    'f32le',
    '-ar',
    String(RATE),
    '-ac',
    '1',
    '-i',
    raw,
    '-c:a',
    'pcm_f32le',
    place(name),
  );
  return place(name);
}

before(() => {
  chmodSync(folder, 0o755);
  song = makeAudio(place('song.wav'), '0.4*sin(2*PI*440*t)|0.3*sin(2*PI*660*t)', { seconds: 2 });
});

describe('oxboard separate refuses, with a code and in one line,', () => {
  it('an empty file, a text, a folder, a pipe, a file that is not there', async () => {
    writeFileSync(place('empty.mp3'), '');
    writeFileSync(place('text.mp3'), 'This is no music.\n'.repeat(100));
    execFileSync('mkfifo', [place('pipe.wav')]);
    mkdirSync(place('nothing'));
    for (const [name, code, message] of [
      ['empty.mp3', 'INPUT_EMPTY', /is empty/],
      ['text.mp3', 'INPUT_NOT_AUDIO', /cannot be decoded as audio/],
      ['nothing', 'INPUT_NOT_FOUND', /has no audio files/],
      ['pipe.wav', 'INPUT_NOT_A_FILE', /is a pipe/],
      ['none.mp3', 'INPUT_NOT_FOUND', /There is no file/],
    ] as const) {
      assertRefused(await separate([path.join(folder, name)]), code, message);
    }
  });

  it('a WAV of no channels, of no samples, of NaN or Inf', async () => {
    const header =
      'RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\0\0\x44\xac\0\0\0\0\0\0\0\0\x10\0data\0\0\0\0';
    writeFileSync(place('channels.wav'), header, 'latin1');
    makeAudio(place('samples.wav'), '0|0', { options: ['-t', '0'] });
    for (const [name, value] of [
      ['nan.wav', NaN],
      ['inf.wav', Infinity],
    ] as const) {
      const samples = new Float32Array(RATE);
      samples[22_050] = value;
      const run = await separate([floatWav(name, samples)]);
      assertRefused(run, 'INPUT_NOT_FINITE', /NaN or Inf at frame 22050 \(0\.50 s\)/);
    }
    assertRefused(await separate([place('channels.wav')]), 'INPUT_NOT_AUDIO', /cannot be decoded/);
    assertRefused(await separate([place('samples.wav')]), 'INPUT_EMPTY', /holds no audio/);
  });

  it('a playlist named .mp3, and neither reads what it names nor calls it', async (context) => {
    let calls = 0;
    const server = createServer((socket) => {
      calls++;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    context.after(() => server.close());
    await once(server, 'listening');
    const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/a.wav`;
    for (const target of [song, 'song.wav', url]) {
      for (const text of [
        `#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n${target}\n#EXT-X-ENDLIST\n`,
        `ffconcat version 1.0\nfile '${target}'\n`,
        `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>` +
          `<AdaptationSet><Representation><BaseURL>${target}</BaseURL></Representation></AdaptationSet></Period></MPD>`,
        `[playlist]\nFile1=${target}\n`,
        `v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n`,
      ]) {
        writeFileSync(place('playlist.mp3'), text);
        assertRefused(
          await separate([place('playlist.mp3')]),
          'INPUT_NOT_AUDIO',
          /cannot be decoded/,
        );
      }
    }
    assert.equal(calls, 0);
  });

  it('a name that is not UTF-8, which Node.js cannot pass on', async () => {
    const name = Buffer.concat([
      Buffer.from(`${folder}/`),
      Buffer.of(0x73, 0xf6, 0x6e, 0x67),
      Buffer.from('.wav'),
    ]);
    copyFileSync(song, name);
    // Only a shell can hand over such a name.
    const out = place('not-utf8');
    const script =
      `exec "$0" "${path.resolve('dist/bin/cli.js')}" separate --json -n toy ` +
      `--models-dir "${modelsDir}" -o "${out}" "${folder}"/s?ng.wav`;
    renameSync(song, place('elsewhere.wav'));
    const outcome = await oxboard([], { command: ['sh', '-c', script, process.execPath] });
    renameSync(place('elsewhere.wav'), song);
    const run = { ...outcome, out, results: resultsOf(outcome) };
    assertRefused(run, 'INPUT_UNREADABLE', /has bytes that are not UTF-8\. Rename it/);
  });

  it('an output folder that is not UTF-8, that is a file, or below one', async () => {
    for (const [out, code, message, status] of [
      [place('a\uFFFDb'), 'INVALID_OPTION', /folder in UTF-8 for --out/, 2],
      ['', 'INVALID_OPTION', /folder in UTF-8 for --out/, 2],
    ] as const) {
      assertRefused(await separate([song], { out }), code, message, status);
    }
    for (const out of [song, path.join(song, 'below')]) {
      const run = await separate([song], { out });
      assertRefused({ ...run, out: place('none') }, 'OUTPUT_UNWRITABLE', /^Cannot write to /);
    }
  });

  describe('for those who may not,', () => {
    const readable =
      process.getuid?.() === 0
        ? isReadableByNobody()
        : 'root is needed to be somebody else; modes bind everyone here';
    const uid = process.getuid?.() === 0 ? NOBODY : undefined;
    const skip =
      process.getuid?.() === 0 && readable !== true ? 'nobody may not read the package' : false;
    const asOther = uid === undefined ? {} : { uid };

    it('a file that may not be read', { skip }, async () => {
      const secret = place('secret.wav');
      copyFileSync(song, secret);
      chmodSync(secret, 0);
      const run = await separate([secret], asOther);
      assertRefused(run, 'INPUT_UNREADABLE', /permission denied/);
    });

    it('a folder that may not be written to', { skip }, async () => {
      const locked = place('locked');
      mkdirSync(locked, { mode: 0o555 });
      const run = await separate([song], { ...asOther, out: path.join(locked, 'out') });
      assertRefused(run, 'OUTPUT_UNWRITABLE', /permission denied/);
      assert.deepEqual(readdirSync(locked), []);
    });
  });

  it('an output file whose place is a folder', async () => {
    const out = place('taken');
    const blocked = path.join(out, 'toy', 'song', 'drums.wav');
    mkdirSync(blocked, { recursive: true });
    const run = await separate([song], { out });
    assertRefused({ ...run, out: place('none') }, 'OUTPUT_UNWRITABLE', /folder of that name/);
    assert.deepEqual(readdirSync(path.join(out, 'toy')), ['song']);
    assert.deepEqual(readdirSync(path.dirname(blocked)), ['drums.wav']);
  });
});

function isReadableByNobody(): boolean {
  try {
    const script = `require('node:fs').accessSync(process.argv[1], 4)`;
    for (const file of ['dist/bin/cli.js', 'build/Release/oxboard.node', 'package.json']) {
      execFileSync(process.execPath, ['-e', script, path.resolve(file)], {
        uid: NOBODY,
        gid: NOBODY,
        stdio: 'ignore',
      });
    }
    return true;
  } catch {
    return false;
  }
}

describe('oxboard separate gives right stems for', () => {
  it('one sample and 100 ms', async () => {
    for (const frames of [1, 4410]) {
      const file = makeAudio(place('short.wav'), '0.4|0.4', {
        options: ['-af', `atrim=end_sample=${String(frames)}`],
      });
      assertSeparated(await separate([file]), frames);
    }
  });

  it('silence: silence, to the bit, in every format that keeps bits', async () => {
    const file = makeAudio(place('silence.wav'), '0|0', { seconds: 3 });
    for (const flags of [[], ['--format', 'flac'], ['--bit-depth', '24'], ['--bit-depth', '32f']]) {
      const stems = assertSeparated(await separate([file], { flags }), 3 * RATE);
      for (const channels of Object.values(stems)) {
        for (const samples of channels) assert.equal(peak(samples), 0);
      }
    }
  });

  it('direct current and a full-scale square wave', async () => {
    for (const [name, expression] of [
      ['dc.wav', '1|1'],
      ['square.wav', 'sgn(sin(2*PI*100*t))|sgn(sin(2*PI*100*t))'],
    ] as const) {
      const file = makeAudio(place(name), expression, { seconds: 3 });
      const stems = assertSeparated(await separate([file]), 3 * RATE);
      for (const channels of Object.values(stems)) {
        for (const samples of channels) assert.ok(peak(samples) <= 1);
      }
    }
  });

  it('a truncated mp3 and a truncated FLAC', async () => {
    for (const extension of ['mp3', 'flac']) {
      const file = makeAudio(place(`cut.${extension}`), '0.4*sin(2*PI*440*t)|0', { seconds: 4 });
      const bytes = readFileSync(file);
      writeFileSync(file, bytes.subarray(0, bytes.length / 2));
      const run = await separate([file]);
      const { frames } = run.results[0]!.output!.stems.drums!;
      assert.ok(frames > RATE && frames < 3 * RATE, String(frames));
      assertSeparated(run, frames);
    }
  });

  it('a WAV whose length field is wrong', async () => {
    for (const length of [0, 2 ** 31, 2 ** 32 - 1]) {
      const bytes = readFileSync(song);
      bytes.writeUInt32LE(length, bytes.indexOf('data', 0, 'latin1') + 4);
      writeFileSync(place('length.wav'), bytes);
      assertSeparated(await separate([place('length.wav')]), 2 * RATE);
    }
  });

  for (const name of [
    'with  spaces .wav',
    `quo'tes"\`$(touch x).wav`,
    'new\nline\x1b[31m.wav',
    '-dash.wav',
    '--out=x.wav',
    '%03d {stem}.wav',
    'http:x|y.wav',
    '..wav',
    `${'n'.repeat(251)}.wav`,
    `${'é'.repeat(125)}x.wav`,
    '歌🎵.wav',
  ]) {
    it(`a file named ${JSON.stringify(name).slice(0, 40)}`, async (context) => {
      const own = temporaryFolder(context);
      copyFileSync(song, path.join(own, name));
      const run = await separate([name], { cwd: own });
      assertSeparated(run, 2 * RATE);
      assert.equal(run.results[0]!.input, name);
      // eslint-disable-next-line no-control-regex -- what would steer a terminal
      assert.doesNotMatch(run.stderr, /\x1b/);
      assert.deepEqual(readdirSync(own), [name], 'nothing beside it');
      for (const { path: file } of Object.values(run.results[0]!.output!.stems)) {
        const [below] = path.relative(path.join(run.out, 'toy'), file).split('/');
        assert.notEqual(below, '..');
      }
    });
  }

  it('two songs of one name, and a song given twice', async () => {
    mkdirSync(place('other'));
    const other = place('other/song.wav');
    copyFileSync(song, other);
    const run = await separate([song, other, song]);
    assert.equal(run.status, 0, run.stderr);
    assert.deepEqual(readdirSync(path.join(run.out, 'toy')).sort(), [
      'song',
      'song (2)',
      'song (3)',
    ]);
  });

  it('a link to a song', async () => {
    symlinkSync(song, place('link.wav'));
    assertSeparated(await separate([place('link.wav')]), 2 * RATE);
  });
});

describe('what kill -9 leaves', () => {
  it('goes when the next separation begins at the same place', async () => {
    const out = place('killed');
    const long = makeAudio(place('long.wav'), 'random(0)|random(1)', { seconds: 30 });
    const args = ['separate', '-n', 'toy', '--models-dir', modelsDir, '-o', out];
    const { signal } = await oxboard([...args, '--shifts', '100', long], {
      onStderr: (text, child) => {
        if (text.includes('Separating')) child.kill('SIGKILL');
      },
    });
    assert.equal(signal, 'SIGKILL');
    assert.match(readdirSync(path.join(out, 'toy')).join(), /^\.oxboard-[\w-]+$/);
    const next = await oxboard([...args, song]);
    assert.equal(next.status, 0, next.stderr);
    assert.deepEqual(readdirSync(path.join(out, 'toy')), ['song']);
  });
});

describe('hours of silence in a small file', () => {
  /** A frame of mp3 again and again: ten hours of it are 41 MB. */
  function silentMp3(seconds: number): string {
    const one = place('one-second.mp3');
    ffmpeg(
      '-f', 'lavfi', '-i', 'anullsrc=r=8000:cl=mono', '-t', '1.152', '-c:a', 'libmp3lame', '-b:a', '8k',
      '-write_xing', '0', '-id3v2_version', '0', one,
    ); // prettier-ignore
    const frames = readFileSync(one);
    const file = place('hours.mp3');
    writeFileSync(file, Buffer.alloc(1000 * seconds, frames));
    return file;
  }

  it('take neither disk nor time that music takes', async (context) => {
    // 36000 tries all ten hours.
    const seconds = Number(process.env.OXBOARD_TEST_SILENCE ?? 1200);
    const file = silentMp3(seconds);
    let mostOnDisk = 0;
    const out = place('hours');
    const timer = setInterval(() => {
      if (!existsSync(out)) return;
      const text = execFileSync('sh', ['-c', `du -sk "$0" 2>/dev/null || true`, out], {
        encoding: 'utf8',
      });
      mostOnDisk = Math.max(mostOnDisk, Number.parseInt(text, 10) || 0);
    }, 500);
    const started = performance.now();
    const run = await separate([file], { out, flags: ['--format', 'flac', '--stems', 'vocals'] });
    clearInterval(timer);
    assert.equal(run.status, 0, run.stderr);
    const { frames, path: stem } = run.results[0]!.output!.stems.vocals!;
    const took = (performance.now() - started) / 1000;
    context.diagnostic(
      `${(frames / RATE / 3600).toFixed(2)} h in ${took.toFixed(1)} s, ` +
        `at most ${(mostOnDisk / 1024).toFixed(0)} MB on the disk`,
    );
    assert.ok(Math.abs(frames / RATE / seconds - 1) < 0.2);
    assert.ok(mostOnDisk < 64 * 1024, `${String(mostOnDisk)} kB`);
    assert.ok(existsSync(stem));
  });
});
