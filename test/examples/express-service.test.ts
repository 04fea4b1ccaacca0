/** The Express service of examples/, run against the packed package. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makeAudio } from '../support/audio.js';
import { modelsDir } from '../support/cli.js';
import { installPackage } from '../support/consumer.js';
import { until } from '../support/until.js';

const HEADER_BYTES = 44;
const SECONDS = 4;
const project = installPackage({ after });
const cwd = path.join(project, 'express-service');
const song = readFileSync(
  makeAudio(path.join(project, 'song.flac'), 'random(0)/2|random(1)/2', { seconds: SECONDS }),
);

interface Status {
  model: string;
  running: number;
  eventLoopDelay: { mean: number; max: number };
}

describe('the Express service', () => {
  const service = spawn(process.execPath, ['server.js'], {
    cwd,
    env: { PATH: process.env.PATH, PORT: '0', MODEL: 'htdemucs', DEMUCS_MODELS_PATH: modelsDir },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let url = '';
  before(async () => {
    const [line] = (await once(service.stdout.setEncoding('utf8'), 'data')) as [string];
    url = /http:\S+/.exec(line)?.[0] ?? line;
  });
  after(() => service.kill('SIGKILL'));

  const status = async () => (await (await fetch(`${url}/status`)).json()) as Status;
  const separate = (stem: string, body: Uint8Array | string, signal?: AbortSignal) =>
    fetch(`${url}/separate?stem=${stem}`, { method: 'POST', body, signal: signal ?? null });

  it('answers other requests while it separates, and tells its event loop delay', async (context) => {
    await status();
    const answered = new AbortController();
    const answer = separate('vocals', song).then(async (response) => {
      const body = Buffer.from(await response.arrayBuffer());
      answered.abort();
      return { response, body };
    });
    const seen: Status[] = [];
    while (!answered.signal.aborted) seen.push(await status());
    const { response, body } = await answer;
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'audio/wav');
    assert.equal(body.toString('latin1', 0, 4), 'RIFF');
    assert.equal(body.length, HEADER_BYTES + SECONDS * 44_100 * 2 * 4);

    const during = seen.filter(({ running }) => running === 1);
    assert.ok(during.length >= 3, `${String(during.length)} answers while it ran`);
    const worst = Math.max(...during.map(({ eventLoopDelay }) => eventLoopDelay.max));
    const means = during.map(({ eventLoopDelay }) => eventLoopDelay.mean);
    const mean = means.reduce((sum, value) => sum + value, 0) / means.length;
    context.diagnostic(
      `${String(during.length)} answers, event loop delay: mean ${mean.toFixed(1)} ms, ` +
        `max ${worst.toFixed(1)} ms`,
    );
  });

  it('stops when the client goes away', async () => {
    const controller = new AbortController();
    const answer = separate('drums', song, controller.signal);
    answer.catch(() => undefined);
    await until(async () => (await status()).running > 0);
    controller.abort();
    await assert.rejects(answer.then((response) => response.arrayBuffer()));
    await until(async () => (await status()).running === 0, 'the end of the work');
  });

  it('refuses what is no stem and what is no audio', async () => {
    const stem = await separate('kazoo', song);
    assert.equal(stem.status, 400);
    const text = await separate('vocals', 'this is no audio');
    assert.equal(text.status, 422);
    assert.match(((await text.json()) as { error: string }).error, /^no audio/);
    assert.equal((await separate('vocals', '')).status, 422);
    const playlist = '#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n';
    assert.equal((await separate('vocals', playlist)).status, 422);
    assert.equal((await status()).running, 0);
  });

  it('ends by SIGTERM', async () => {
    service.kill('SIGTERM');
    const [code, signal] = (await once(service, 'exit')) as [number | null, string | null];
    assert.deepEqual([code, signal], [0, null]);
  });
});
