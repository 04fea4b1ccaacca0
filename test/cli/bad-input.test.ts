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

/** Runs the command once, with JSON, with an output folder of its own: a song costs less than a start. */
async function separate(
  inputs: readonly string[],
  { flags = [], ...options }: { flags?: string[]; out?: string; uid?: number; cwd?: string } = {},
) {
  const out = options.out ?? place(`out-${String(runs++)}`);
  const { cwd, uid } = options;
  const common = ['-n', 'toy', '--models-dir', modelsDir, '-o', out];
  const outcome = await oxboard(['separate', '--json', ...common, ...flags, '--', ...inputs], {
    cwd,
    uid,
  });
  return { ...outcome, out, results: resultsOf(outcome) };
}

const resultsOf = ({ stdout }: Outcome): Result[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Result);

type Run = Awaited<ReturnType<typeof separate>>;

/** Each input as refused as it is told, in one line; nothing left behind. */
function assertRefused(run: Run, refusals: readonly [string, RegExp][], status = 1): void {
  assert.equal(run.status, status, run.stderr);
  assert.equal(run.results.length, refusals.length);
  for (const [index, [code, message]] of refusals.entries()) {
    const { input, error } = run.results[index]!;
    assert.equal(error?.code, code, `${input}: ${String(error?.message)}`);
    assert.match(error.message, message);
  }
  const lines = run.stderr.split('\n').filter((line) => line.startsWith('oxboard: '));
  if (refusals.length > 1) assert.match(lines.pop()!, / songs failed:$/);
  assert.deepEqual(
    lines,
    run.results.map(({ error }) => `oxboard: ${error!.message}`),
    'one line each for people',
  );
  assert.doesNotMatch(run.stderr, /^\s+at .*:\d+/m, 'no stack trace');
  assert.ok(!existsSync(run.out), 'nothing is left behind');
}

/** The stems of each song, finite, with nothing beside them. */
function separatedSongs(run: Run): Record<string, Float32Array[]>[] {
  assert.equal(run.status, 0, run.stderr);
  assert.equal(readdirSync(path.join(run.out, 'toy')).length, run.results.length);
  return run.results.map(({ output }) =>
    Object.fromEntries(
      Object.entries(output!.stems).map(([name, stem]) => {
        const channels = readAudio(stem.path);
        for (const samples of channels) {
          assert.equal(samples.length, stem.frames);
          assert.ok(samples.every(Number.isFinite));
        }
        return [name, channels];
      }),
    ),
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
    const inputs = ['empty.mp3', 'text.mp3', 'nothing', 'pipe.wav', 'none.mp3'].map(place);
    assertRefused(await separate(inputs), [
      ['INPUT_EMPTY', /is empty/],
      ['INPUT_NOT_AUDIO', /cannot be decoded as audio/],
      ['INPUT_NOT_FOUND', /has no audio files/],
      ['INPUT_NOT_A_FILE', /is a pipe/],
      ['INPUT_NOT_FOUND', /There is no file/],
    ]);
    assertRefused(await separate([place('text.mp3')]), [
      ['INPUT_NOT_AUDIO', /cannot be decoded as audio/],
    ]);
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
      floatWav(name, samples);
    }
    const inputs = ['channels.wav', 'samples.wav', 'nan.wav', 'inf.wav'].map(place);
    assertRefused(await separate(inputs), [
      ['INPUT_NOT_AUDIO', /cannot be decoded/],
      ['INPUT_EMPTY', /holds no audio/],
      ['INPUT_NOT_FINITE', /NaN or Inf at frame 22050 \(0\.50 s\)/],
      ['INPUT_NOT_FINITE', /NaN or Inf at frame 22050 \(0\.50 s\)/],
    ]);
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
    const texts = [song, 'song.wav', url].flatMap((target) => [
      `#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n${target}\n#EXT-X-ENDLIST\n`,
      `ffconcat version 1.0\nfile '${target}'\n`,
      `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>` +
        `<AdaptationSet><Representation><BaseURL>${target}</BaseURL></Representation></AdaptationSet></Period></MPD>`,
      `[playlist]\nFile1=${target}\n`,
      `v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n`,
    ]);
    const inputs = texts.map((text, index) => {
      const file = place(`playlist-${String(index)}.mp3`);
      writeFileSync(file, text);
      return file;
    });
    assertRefused(
      await separate(inputs),
      inputs.map(() => ['INPUT_NOT_AUDIO', /cannot be decoded/]),
    );
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
    assertRefused(run, [['INPUT_UNREADABLE', /has bytes that are not UTF-8\. Rename it/]]);
  });

  it('an output folder that is not UTF-8, that has no name, or is below a file', async () => {
    for (const out of [place('a\uFFFDb'), '']) {
      assertRefused(
        await separate([song], { out }),
        [['INVALID_OPTION', /folder in UTF-8 for --out/]],
        2,
      );
    }
    const run = await separate([song], { out: path.join(song, 'below') });
    assertRefused({ ...run, out: place('none') }, [['OUTPUT_UNWRITABLE', /^Cannot write to /]]);
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
      assertRefused(run, [['INPUT_UNREADABLE', /permission denied/]]);
    });

    it('a folder that may not be written to', { skip }, async () => {
      const locked = place('locked');
      mkdirSync(locked, { mode: 0o555 });
      const run = await separate([song], { ...asOther, out: path.join(locked, 'out') });
      assertRefused(run, [['OUTPUT_UNWRITABLE', /permission denied/]]);
      assert.deepEqual(readdirSync(locked), []);
    });
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
  it('one sample and 100 ms, direct current and a full-scale square wave, cut songs', async () => {
    const cutLength = (name: string, frames: number) =>
      makeAudio(place(name), '0.4|0.4', {
        options: ['-af', `atrim=end_sample=${String(frames)}`],
      });
    const cut = (name: string) => {
      const file = makeAudio(place(name), '0.4*sin(2*PI*440*t)|0', { seconds: 4 });
      const bytes = readFileSync(file);
      writeFileSync(file, bytes.subarray(0, bytes.length / 2));
      return file;
    };
    const square = 'sgn(sin(2*PI*100*t))';
    const inputs = [
      cutLength('sample.wav', 1),
      cutLength('short.wav', 4410),
      makeAudio(place('dc.wav'), '1|1', { seconds: 3 }),
      makeAudio(place('square.wav'), `${square}|${square}`, { seconds: 3 }),
      cut('cut.mp3'),
      cut('cut.flac'),
    ];
    const songs = separatedSongs(await separate(inputs, { flags: ['--stems', 'drums,vocals'] }));
    const frames = songs.map((stems) => stems.drums![0]!.length);
    assert.deepEqual(frames.slice(0, 4), [1, 4410, 3 * RATE, 3 * RATE]);
    for (const stems of songs.slice(2, 4)) {
      for (const channels of Object.values(stems)) {
        for (const samples of channels) assert.ok(peak(samples) <= 1);
      }
    }
    for (const count of frames.slice(4)) assert.ok(count > RATE && count < 3 * RATE, String(count));
  });

  it('a WAV whose length field is wrong, and a link to a song', async () => {
    const inputs = [0, 2 ** 31, 2 ** 32 - 1].map((length) => {
      const bytes = readFileSync(song);
      bytes.writeUInt32LE(length, bytes.indexOf('data', 0, 'latin1') + 4);
      const file = place(`length-${String(length)}.wav`);
      writeFileSync(file, bytes);
      return file;
    });
    symlinkSync(song, place('link.wav'));
    const flags = ['--stems', 'vocals'];
    for (const { vocals } of separatedSongs(
      await separate([...inputs, place('link.wav')], { flags }),
    ))
      assert.equal(vocals![0]!.length, 2 * RATE);
  });

  it('files of any name', async (context) => {
    const names = [
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
    ];
    const own = temporaryFolder(context);
    for (const name of names) copyFileSync(song, path.join(own, name));
    const run = await separate(names, { cwd: own, flags: ['--stems', 'vocals'] });
    for (const { vocals } of separatedSongs(run)) assert.equal(vocals![0]!.length, 2 * RATE);
    assert.deepEqual(
      run.results.map(({ input }) => input),
      names,
    );
    // eslint-disable-next-line no-control-regex -- what would steer a terminal
    assert.doesNotMatch(run.stderr, /\x1b/);
    assert.deepEqual(readdirSync(own).sort(), names.toSorted(), 'nothing beside them');
    for (const { output } of run.results) {
      const [below] = path
        .relative(path.join(run.out, 'toy'), output!.stems.vocals!.path)
        .split('/');
      assert.notEqual(below, '..');
    }
  });

  it('two songs of one name, and a song given twice', async () => {
    mkdirSync(place('other'));
    const other = place('other/song.wav');
    copyFileSync(song, other);
    const run = await separate([song, other, song], { flags: ['--stems', 'vocals'] });
    assert.equal(run.status, 0, run.stderr);
    assert.deepEqual(readdirSync(path.join(run.out, 'toy')).sort(), [
      'song',
      'song (2)',
      'song (3)',
    ]);
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
    const seconds = Number(process.env.OXBOARD_TEST_SILENCE ?? 300);
    const file = silentMp3(seconds);
    let mostOnDisk = 0;
    const out = place('hours');
    const timer = setInterval(() => {
      if (!existsSync(out)) return;
      const text = execFileSync('sh', ['-c', `du -sk "$0" 2>/dev/null || true`, out], {
        encoding: 'utf8',
      });
      mostOnDisk = Math.max(mostOnDisk, Number.parseInt(text, 10) || 0);
    }, 200);
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
    // Samples of two channels as floats would take 106 MB.
    assert.ok(mostOnDisk < 16 * 1024, `${String(mostOnDisk)} kB`);
    assert.ok(existsSync(stem));
  });
});
