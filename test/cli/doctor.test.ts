/** `oxboard doctor`: what it says of a machine that is well, and of one that is not. */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Check } from '../../src/bin/doctor/check.js';
import { temporaryFolder } from '../support/audio.js';
import { modelsDir, oxboard } from '../support/cli.js';
import { run, stagePackage, type StagedPackage } from '../support/package.js';
import { connectRedis } from '../../src/redis/connection.js';
import { recordingLogger } from '../support/logs.js';
import { startRedis } from '../support/redis.js';

const linux = { skip: process.platform === 'linux' ? false : 'only for Linux' };

interface Report {
  ok: boolean;
  checks: Check[];
}

interface Examined extends Report {
  check: (name: string) => Check | undefined;
}

/** Runs the doctor of a staged package, which takes its time where a model is to be tried. */
async function examine(
  { folder }: StagedPackage,
  { env = {}, args = [] as string[], megabytes = 0, tries = false } = {},
): Promise<Examined> {
  const doctor = [process.execPath, path.join(folder, 'dist/bin/cli.js'), 'doctor', '--json'];
  const limit = megabytes === 0 ? [] : ['prlimit', `--as=${String(megabytes * 2 ** 20)}`];
  const [command = '', ...rest] = [...limit, ...doctor, ...(tries ? [] : ['--quick']), ...args];
  const { status, signal, stdout, stderr } = await run(command, rest, { cwd: folder, env });
  assert.equal(signal, null, stderr);
  const report = JSON.parse(stdout) as Report;
  assert.equal(status, report.ok ? 0 : 1);
  for (const { status: found, mend } of report.checks) {
    if (found === 'problem') assert.ok(mend, 'every problem has what mends it');
  }
  return { ...report, check: (name) => report.checks.find((check) => check.name === name) };
}

/** A folder of programs that shadows none but those that it is given. */
function programs(context: TestContext, ...names: string[]): string {
  const folder = temporaryFolder(context);
  for (const name of names) symlinkSync(`/usr/bin/${name}`, path.join(folder, name));
  return folder;
}

function problem(check: Check | undefined, text: RegExp, mend: RegExp): void {
  assert.equal(check?.status, 'problem');
  assert.match(check.text, text);
  assert.match(check.mend ?? '', mend);
}

describe('oxboard doctor', () => {
  it('says that all is well, one line for each thing', async () => {
    const { status, stdout, stderr } = await oxboard(['doctor']);
    assert.equal(status, 0, stdout);
    for (const name of [
      'system',
      'memory',
      'libtorch',
      'addon',
      'devices',
      'ffmpeg',
      'ffprobe',
      'redis-server',
      'yt-dlp',
      'model oxboard-mini',
      'separation',
    ]) {
      assert.match(stdout, new RegExp(`^(ok|note) +${name} +\\S`, 'm'));
    }
    assert.match(stdout, /^ok +separation +\S+ loads and runs on \S+ \(\d/m);
    assert.match(stderr, /^Trying /);
    assert.doesNotMatch(stdout, /problem/);
  });

  it('says in a hurry which devices there are, and why no GPU is used', async () => {
    const args = ['--quick', '--models-dir', modelsDir];
    const auto = await oxboard(['doctor', ...args]);
    assert.equal(auto.status, 0);
    assert.doesNotMatch(auto.stdout, /separation/);
    const devices = /^ok +devices +(.*)$/m.exec(auto.stdout)?.[1] ?? '';
    assert.match(devices, /^cpu.*\d CPU threads/);
    assert.match(auto.stdout, /^(ok|note) +libtorch +\d+\.\d+\.\d+\S*, (CPU|CUDA \d+\.\d)/m);
    // Either there is a GPU, or what keeps this process from one is said.
    const hasGpu = devices.includes('cuda:0');
    assert.equal(/no GPU is used: \w/.test(devices), !hasGpu, devices);
    if (!hasGpu) return;
    const off = await oxboard(['doctor', '--quick'], { env: { DEMUCS_GPU_ENABLED: 'false' } });
    assert.match(off.stdout, /no GPU is used: the environment says cpu/);
  });

  it('tries the default model of the models folder', async () => {
    const args = ['--models-dir', modelsDir];
    const env = { DEMUCS_DEFAULT_MODEL: 'toy' };
    const { stdout } = await oxboard(['doctor', ...args], { env });
    assert.match(stdout, /^ok +model htdemucs_ft +drums, bass, other, vocals$/m);
    assert.match(stdout, /^ok +separation +toy loads and runs/m);
  });

  const addons: [string, (staged: StagedPackage) => void, RegExp][] = [
    ['missing', ({ addon }) => rmSync(addon), /not built/],
    ['cut short', ({ addon }) => truncateSync(addon, 100_000), /damaged/],
    ['for another system', ({ addon }) => writeFileSync(addon, 'MZ'), /another operating system/],
  ];
  for (const [flaw, spoil, text] of addons) {
    it(`works with an addon that is ${flaw}`, linux, async (context) => {
      const staged = stagePackage(context);
      spoil(staged);
      const report = await examine(staged);
      problem(report.check('addon'), text, /npx oxboard setup/);
      assert.equal(report.check('ffmpeg')?.status, 'ok');
      assert.equal(report.check('model oxboard-mini')?.status, 'ok');
    });
  }

  it('works with an addon that kills its process', linux, async (context) => {
    const staged = stagePackage(context);
    const source = 'int main; __attribute__((constructor)) void die(void) { __builtin_trap(); }';
    rmSync(staged.addon);
    const compiled = await run('sh', [
      '-c',
      'printf %s "$1" | c++ -x c - -shared -fPIC -o "$0"',
      staged.addon,
      source,
    ]);
    assert.equal(compiled.status, 0, compiled.stderr);
    const report = await examine(staged);
    problem(report.check('addon'), /ended with SIG(ILL|TRAP)/, /npx oxboard setup/);
  });

  it('works when libtorch was moved', linux, async (context) => {
    const staged = stagePackage(context);
    if (!staged.libtorch) {
      context.skip('libtorch lies outside of the package');
      return;
    }
    rmSync(staged.libtorch);
    const report = await examine(staged);
    problem(report.check('libtorch'), /not found/, /npx oxboard setup/);
    problem(report.check('addon'), /libtorch was moved/, /npx oxboard setup/);
  });

  it('tells a LIBTORCH that is none, which a built addon does not need', async (context) => {
    const report = await examine(stagePackage(context), { env: { LIBTORCH: '/no/such' } });
    assert.equal(report.check('libtorch')?.status, 'note');
    assert.match(report.check('libtorch')?.text ?? '', /'\/no\/such'/);
    assert.equal(report.ok, true);
  });

  it('works without ffmpeg, redis and yt-dlp', linux, async (context) => {
    const env = { PATH: programs(context) };
    const report = await examine(stagePackage(context), { env });
    problem(report.check('ffmpeg'), /not found/, /npx oxboard setup/);
    problem(report.check('ffprobe'), /not found/, /npx oxboard setup/);
    assert.equal(report.check('redis-server')?.status, 'note');
    assert.equal(report.check('yt-dlp')?.status, 'note');
    assert.equal(report.check('addon')?.status, 'ok');
  });

  it('tells an ffmpeg that does not run, and one that lacks formats', linux, async (context) => {
    const folder = programs(context, 'ffprobe');
    const ffmpeg = path.join(folder, 'ffmpeg');
    const staged = stagePackage(context);
    const env = { PATH: folder };
    writeFileSync(ffmpeg, '#!/bin/sh\necho "libavcodec.so.59: cannot open" >&2; exit 127\n');
    chmodSync(ffmpeg, 0o755);
    problem((await examine(staged, { env })).check('ffmpeg'), /libavcodec/, /setup/);

    const encoders = ' A....D flac                 FLAC';
    writeFileSync(ffmpeg, `#!/bin/sh\necho "ffmpeg version 7.1 by hand"; echo "${encoders}"\n`);
    const report = await examine(staged, { env });
    assert.equal(report.check('ffmpeg')?.text, '7.1');
    assert.equal(report.check('formats')?.status, 'note');
    assert.match(report.check('formats')?.text ?? '', /mp3 \(libmp3lame\), opus \(libopus\), m4a/);
    assert.equal(report.ok, true);
  });

  it('tells broken models, and still tries a good one', async (context) => {
    const folder = temporaryFolder(context);
    for (const name of ['toy', 'htdemucs', 'mdx_extra']) {
      cpSync(path.join(modelsDir, name), path.join(folder, name), { recursive: true });
    }
    appendFileSync(path.join(folder, 'htdemucs', 'f0c6bc2a.pt'), 'x');
    writeFileSync(path.join(folder, 'mdx_extra', 'model.json'), '{"name": 1}');
    const args = ['--models-dir', folder];
    const report = await examine(stagePackage(context), {
      args,
      tries: true,
      env: { DEMUCS_DEFAULT_MODEL: 'toy' },
    });
    assert.equal(report.ok, false);
    problem(report.check('model htdemucs'), /differs from its checksum/, /models remove htdemucs/);
    problem(report.check('model mdx_extra'), /malformed: name/, /models remove mdx_extra/);
    assert.equal(report.check('model toy')?.status, 'ok');
    assert.equal(report.check('separation')?.status, 'ok');
  });

  it('tells wrong settings', async (context) => {
    const staged = stagePackage(context);
    const wrong = await examine(staged, { env: { DEMUCS_THREADS: 'many' } });
    problem(wrong.check('environment'), /DEMUCS_THREADS.*"many"/, /unset/);

    const absent = await examine(staged, {
      tries: true,
      env: { DEMUCS_DEFAULT_MODEL: 'absent' },
    });
    problem(absent.check('separation'), /"absent" is not installed/, /models list/);

    const device = await examine(staged, { tries: true, env: { DEMUCS_DEVICE: 'cuda:99' } });
    problem(device.check('separation'), /cuda:99.*Available: cpu/, /DEMUCS_DEVICE/);

    const empty = path.join(staged.folder, 'none');
    const folder = await examine(staged, {
      args: ['--models-dir', empty],
      env: { JOB_TTL: 'soon' },
    });
    assert.equal(folder.check('models')?.mend, `mkdir -p ${empty}`);
    assert.match(folder.check('service')?.text ?? '', /JOB_TTL but received "soon"/);
  });

  it('tells what the service needs: a Redis that answers, and a folder', async (context) => {
    const redis = await startRedis(context, { tcp: true });
    const staged = stagePackage(context);
    const empty = temporaryFolder(context);
    const good = await examine(staged, {
      args: ['--models-dir', empty],
      env: { REDIS_URL: redis.url },
    });
    assert.equal(good.ok, true, 'no model has to be installed');
    assert.match(good.check('redis')?.text ?? '', /^\d+\.\d+.* answers at REDIS_URL$/);
    assert.match(good.check('data folder')?.text ?? '', /data, \d+\.\d GB free$/);

    const { logger } = recordingLogger();
    const connection = await connectRedis({ redisUrl: redis.url, redisDb: 0 }, logger);
    await connection.send(['CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru']);
    await connection.close();
    const evicts = await examine(staged, { env: { REDIS_URL: redis.url } });
    assert.equal(evicts.check('redis')?.status, 'note');
    assert.match(evicts.check('redis')?.text ?? '', /allkeys-lru/);
    assert.match(evicts.check('redis')?.mend ?? '', /noeviction/);
    await redis.stop();
    writeFileSync(path.join(staged.folder, 'file'), '');
    writeFileSync(path.join(staged.folder, '.env'), 'DATA_DIR=file/data\n');
    const bad = await examine(staged, { env: { REDIS_URL: redis.url.replace('//', '//:hush@') } });
    assert.equal(bad.check('redis')?.status, 'note');
    assert.match(bad.check('redis')?.mend ?? '', /REDIS_URL/);
    assert.equal(bad.check('data folder')?.status, 'note');
    assert.doesNotMatch(JSON.stringify(bad), /hush/);
  });

  it('tells that there is too little memory', linux, async (context) => {
    // Node.js itself takes some 800 MB of address space, libtorch as much again.
    const report = await examine(stagePackage(context), { megabytes: 1100, tries: true });
    problem(report.check('addon'), /Not enough memory|not enough memory/, /raise the limit/);
  });
});
