/** What stops a start, and what it says. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { temporaryFolder } from '../support/audio.js';
import { oxboard } from '../support/cli.js';
import { freePort } from '../support/free-port.js';
import { launch, NPM, processesOf, startService } from '../support/service.js';
import { until } from '../support/until.js';

const folder = temporaryFolder({ after });

const metricsPort = async () => ({ OBSERVABILITY_PROMETHEUS_PORT: String(await freePort()) });

async function refused(
  command: string[],
  env: Record<string, string>,
  message: RegExp,
  exitStatus: number,
): Promise<void> {
  const service = await launch({ after }, command, env);
  const { status, signal, stderr } = await service.ended;
  assert.match(stderr, message);
  assert.deepEqual({ status, signal }, { status: exitStatus, signal: null }, stderr);
  assert.match(stderr, /^oxboard: /m);
  assert.doesNotMatch(stderr, /^\s+at .*:\d+/m);
  await until(() => processesOf(service).length === 0, 'the end of its processes');
}

describe('a start is refused', () => {
  for (const variable of ['PORT', 'OBSERVABILITY_PROMETHEUS_PORT']) {
    it(`when ${variable} is taken, with the name of the variable`, async () => {
      const other = createServer().listen(0, '127.0.0.1');
      await once(other, 'listening');
      const { port } = other.address() as { port: number };
      const words = new RegExp(`Port ${port} is taken .* ${variable}=${port + 1}`);
      await refused(['serve'], { [variable]: String(port) }, words, 1);
      other.close();
    });
  }

  it('when METRICS_PORT of a worker is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const env = { REDIS_URL: 'redis://127.0.0.1:1', METRICS_PORT: String(port) };
    await refused(['worker'], env, /METRICS_PORT/, 1);
    other.close();
  });

  it('when both ports are the same', async () => {
    const port = String(await freePort());
    const env = { PORT: port, OBSERVABILITY_PROMETHEUS_PORT: port };
    await refused(['serve'], env, /PORT and OBSERVABILITY_PROMETHEUS_PORT are both/, 2);
  });

  it('when HOST is no address of this machine', async () => {
    await refused(['serve'], { HOST: '192.0.2.1' }, /HOST is "192\.0\.2\.1"/, 2);
  });

  it('when DATA_DIR cannot be made', async () => {
    const file = path.join(folder, 'file');
    writeFileSync(file, '');
    await refused(['serve'], { DATA_DIR: path.join(file, 'data') }, /DATA_DIR, .* cannot/, 1);
  });

  it('when another user owns a folder in DATA_DIR, with that folder and both users', async () => {
    if (process.getuid?.() !== 0) return; // only root can become another user
    const dataDir = path.join(folder, 'mounted');
    mkdirSync(path.join(dataDir, 'work'), { recursive: true });
    const refusedLine = async (directory: string) => {
      const { status, stderr } = await oxboard(['serve'], {
        cwd: '/',
        uid: 1000,
        env: { DATA_DIR: dataDir, PORT: String(await freePort()), ...(await metricsPort()) },
      });
      assert.equal(status, 1);
      const words = `${directory} belongs to user 0, but the service runs as user 1000`;
      assert.ok(stderr.includes(words), stderr);
      assert.doesNotMatch(stderr, /^\s+at /m);
    };
    chmodSync(folder, 0o755);
    await refusedLine(dataDir);
    chownSync(dataDir, 1000, 1000);
    await refusedLine(path.join(dataDir, 'work'));
  });

  it('when the default model is not installed, with those that are', async () => {
    const env = { DEMUCS_DEFAULT_MODEL: 'demucs9' };
    await refused(['serve'], env, /Model "demucs9" is not installed .*toy/, 1);
  });

  it('when the device is not there', async () => {
    await refused(['serve'], { DEMUCS_DEVICE: 'cuda:7' }, /cuda/, 1);
  });

  for (const command of ['api', 'worker']) {
    it(`when ${command} has no REDIS_URL`, async () => {
      await refused([command], {}, /needs REDIS_URL.*oxboard serve/, 2);
    });
  }

  it('when Redis does not answer, without its password', async () => {
    const port = await freePort();
    const env = { REDIS_URL: `redis://:hush@127.0.0.1:${port}` };
    const service = await launch({ after }, ['worker'], env);
    const { status, stderr } = await service.ended;
    assert.equal(status, 1);
    assert.match(
      stderr,
      new RegExp(`Redis does not answer at redis://\\[redacted\\]@127\\.0\\.0\\.1:${port}`),
    );
    assert.doesNotMatch(stderr + JSON.stringify(service.logs()), /hush/);
  });

  it('when YOUTUBE_COOKIES_FILE cannot be used, without what is in it', async () => {
    const file = path.join(folder, 'cookies.txt');
    writeFileSync(file, 'hush');
    for (const [YOUTUBE_COOKIES_FILE, reason] of [
      [path.join(folder, 'none.txt'), /none\.txt, cannot be read/],
      [file, /does not begin with/],
    ] as const) {
      const service = await launch({ after }, ['serve'], { YOUTUBE_COOKIES_FILE });
      const { status, stderr } = await service.ended;
      assert.equal(status, 2, stderr);
      assert.match(stderr, reason);
      assert.doesNotMatch(stderr + JSON.stringify(service.logs()), /hush/);
    }
  });

  it('when another serve uses DATA_DIR, which goes on', async () => {
    const first = await startService({ after }, ['serve']);
    const second = await launch({ after }, ['serve'], { DATA_DIR: first.dataDir });
    const { status, stderr } = await second.ended;
    assert.equal(status, 1);
    assert.match(
      stderr,
      new RegExp(`Another oxboard serve, process ${first.pid}, uses .*DATA_DIR`),
    );
    const response = await fetch(`${first.url}/api/v1/health/ready`);
    assert.equal(response.status, 200);
    const { signal } = await first.kill('SIGTERM');
    assert.equal(signal, 'SIGTERM');
  });

  it('when --processes is no number', async () => {
    await refused(['api', '--processes', 'many'], {}, /--processes but received "many"/, 2);
  });
});

describe('the commands that serve', () => {
  for (const command of ['serve', 'api', 'worker']) {
    it(`${command} --help has examples`, async () => {
      const { status, stdout } = await oxboard([command, '--help']);
      assert.equal(status, 0);
      assert.match(stdout, new RegExp(`Examples:\\n.*oxboard ${command}`));
    });
  }

  it('npm start sets up and serves, and a signal to npm ends all of its processes', async () => {
    const service = await startService({ after }, ['start'], {}, NPM);
    const response = await fetch(`${service.url}/api/v1/health/ready`);
    assert.equal(response.status, 200);
    await service.kill('SIGTERM');
    const stopped = service.logs().find(({ event }) => event === 'stopped');
    assert.equal(stopped?.signal, 'SIGTERM');
    await until(() => processesOf(service).length === 0, 'the end of its processes');
  });
});
