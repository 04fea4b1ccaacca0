/** Requests that no honest client sends: each gets its answer, and nothing stays behind. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { jobDocument } from '../../src/http/job-document.js';
import { machineName } from '../../src/lib/process-folder.js';
import { form, startApi, submit, type TestApi } from '../support/api.js';
import { assertDocumented, assertProblem, call } from '../support/contract.js';
import { until } from '../support/until.js';

const MAX = 200_000;
const api = await startApi({ after }, { config: { maxFileSize: MAX } });

const BOUNDARY = 'xxBOUNDARYxx';
const FORM = { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}` };
const filePart = (name = 'song.wav') =>
  `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\n` +
  'Content-Type: audio/wav\r\n\r\n';
const END = `\r\n--${BOUNDARY}--\r\n`;

/** Files of uploads that are under way or were forgotten. */
function incoming({ folder }: TestApi): string[] {
  const place = path.join(folder, 'incoming');
  if (!existsSync(place)) return [];
  return readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);
}

interface Answer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

async function answerOf(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
  const headers = new Headers(response.headers as Record<string, string>);
  const status = response.statusCode ?? 0;
  assertDocumented('POST', '/api/v1/stemify', status, headers.get('content-type') ?? '', body);
  return { status, headers, body };
}

/** Posts a body that is written by hand; `write` may go on while the answer comes. */
async function send(
  to: TestApi,
  headers: Record<string, string>,
  write: (body: ClientRequest, answered: () => boolean) => unknown,
): Promise<Answer> {
  const request = httpRequest(`${to.url}/api/v1/stemify`, { method: 'POST', headers });
  let answered = false;
  const answer = once(request, 'response').then(async ([response]) => {
    answered = true;
    return answerOf(response as IncomingMessage);
  });
  request.on('error', () => (answered = true));
  await write(request, () => answered);
  const result = await answer;
  request.destroy();
  return result;
}

/** Writes bytes as they are, and gives all that comes back until the service closes. */
async function raw(to: TestApi, text: string): Promise<string> {
  const socket = connect(to.port, '127.0.0.1');
  socket.write(text);
  let answer = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk));
  await once(socket, 'close');
  return answer;
}

void describe('a body that is too large', () => {
  it('is refused by its Content-Length before it is sent', async () => {
    let went = false;
    const request = httpRequest(`${api.url}/api/v1/stemify`, {
      method: 'POST',
      headers: { ...FORM, 'Content-Length': '50000000000', Expect: '100-continue' },
    });
    request.on('continue', () => (went = true));
    request.on('error', () => undefined);
    request.flushHeaders();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const answer = await answerOf(response);
    assert.match(assertProblem(answer, 413, 'FILE_TOO_LARGE'), /200000 bytes/);
    assert.equal(went, false);
    request.destroy();
  });

  it('is cut at the limit when its length is not told, and the client reads why', async () => {
    let sent = 0;
    const answer = await send(api, FORM, async (body, answered) => {
      body.write(filePart());
      while (!answered() && sent < 100 * MAX) {
        sent += 65_536;
        if (!body.write(Buffer.alloc(65_536))) await sleep(1);
      }
    });
    assertProblem(answer, 413, 'FILE_TOO_LARGE');
    assert.ok(sent < 100 * MAX, 'it was read to its end');
    await until(() => (incoming(api).length === 0 ? true : undefined));
  });

  it('is cut too when it hides outside of files', async () => {
    const answer = await send(api, FORM, async (body, answered) => {
      for (let sent = 0; !answered() && sent < 100 * MAX; sent += 65_536)
        if (!body.write(Buffer.alloc(65_536, 'x'))) await sleep(1);
    });
    assertProblem(answer, 413, 'FILE_TOO_LARGE');
  });

  it('may be as large as the limit says', async () => {
    const song = Buffer.concat([api.song, Buffer.alloc(MAX - api.song.length)]);
    const options = { method: 'POST' };
    assert.equal((await call(api, '/stemify', { ...options, body: form(song) })).status, 202);
    const more = Buffer.concat([song, Buffer.alloc(1)]);
    assertProblem(
      await call(api, '/stemify', { ...options, body: form(more) }),
      413,
      'FILE_TOO_LARGE',
    );
  });
});

void describe('a body that is compressed', () => {
  it('is refused by the name of its encoding', async () => {
    for (const encoding of ['gzip', 'br', 'x-unknown']) {
      const body = gzipSync(`${filePart()}xxxx${END}`);
      const headers = { ...FORM, 'Content-Encoding': encoding };
      const answer = await send(api, headers, (request) => request.end(body));
      assert.match(assertProblem(answer, 415, 'MEDIA_TYPE_UNSUPPORTED'), new RegExp(encoding));
    }
    const plain = await call(api, '/stemify', {
      method: 'POST',
      body: form(api.song),
      headers: { 'Content-Encoding': 'identity' },
    });
    assert.equal(plain.status, 202);
  });
});

void describe('what a killed process has left', () => {
  it('is removed after a day if its container is gone, and at once if it was on this machine', async (context) => {
    const service = await startApi(context);
    const place = path.join(service.folder, 'incoming');
    const make = (name: string, ageSeconds: number) => {
      const folder = path.join(place, name);
      mkdirSync(folder, { recursive: true });
      writeFileSync(path.join(folder, 'upload'), 'x');
      const time = Date.now() / 1000 - ageSeconds;
      for (const changed of [path.join(folder, 'upload'), folder]) utimesSync(changed, time, time);
      return folder;
    };
    const old = make('.oxboard-0123456789ab-1-abcdef', 2 * 86_400);
    const recent = make('.oxboard-0123456789ab-2-abcdef', 3600);
    // No process has this id.
    const own = make(`.oxboard-${await machineName()}-99999999-abcdef`, 0);
    await submit(service);
    assert.deepEqual([existsSync(old), existsSync(recent), existsSync(own)], [false, true, false]);
  });
});

void describe('a body that does not come', () => {
  it('is waited for no longer than its pace allows', async (context) => {
    const slow = await startApi(context, {
      pace: { windowBytes: 1000, windowMs: 300, totalMs: 60_000 },
    });
    const answer = await send(slow, { ...FORM, 'Content-Length': '100000' }, async (body, done) => {
      body.write(filePart());
      while (!done()) {
        body.write('x');
        await sleep(20);
      }
    });
    assertProblem(answer, 408, 'UPLOAD_TIMEOUT');
    await until(() => (incoming(slow).length === 0 ? true : undefined));
  });

  it('is waited for no longer than the whole may take', async (context) => {
    const slow = await startApi(context, {
      pace: { windowBytes: 0, windowMs: 60_000, totalMs: 400 },
    });
    const answer = await send(slow, { ...FORM, 'Content-Length': '100000' }, (body) =>
      body.write(filePart()),
    );
    assertProblem(answer, 408, 'UPLOAD_TIMEOUT');
    await until(() => (incoming(slow).length === 0 ? true : undefined));
  });

  it('leaves nothing when the client goes away', async () => {
    const socket = connect(api.port, '127.0.0.1');
    socket.write(
      `POST /api/v1/stemify HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${FORM['Content-Type']}\r\n` +
        `Content-Length: 100000\r\n\r\n${filePart()}${'x'.repeat(5000)}`,
    );
    await until(() => (incoming(api).length === 1 ? true : undefined));
    socket.destroy();
    await until(() => (incoming(api).length === 0 ? true : undefined));
    assert.equal((await fetch(`${api.url}/api/v1/health/live`)).status, 200);
  });

  it('is malformed when it ends in the middle of the form', async () => {
    const half = `${filePart()}xxxx`;
    const answer = await send(api, { ...FORM, 'Content-Length': String(half.length) }, (body) =>
      body.end(half),
    );
    assertProblem(answer, 400, 'REQUEST_INVALID');
    assert.deepEqual(incoming(api), []);
  });
});

void describe('a form', () => {
  const post = async (text: string) =>
    send(api, { ...FORM, 'Content-Length': String(Buffer.byteLength(text)) }, (body) =>
      body.end(text),
    );
  const field = (name: string, value: string) =>
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;

  it('with ten thousand fields is refused', async () => {
    const fields = Array.from({ length: 10_000 }, (_, n) => field(`f${String(n)}`, 'x')).join('');
    assertProblem(await post(fields + END), 413, 'FILE_TOO_LARGE');
    const fewer = Array.from({ length: 1000 }, (_, n) => field(`f${String(n)}`, 'x')).join('');
    assert.match(
      assertProblem(await post(fewer + END), 400, 'REQUEST_INVALID'),
      /More than 32 fields/,
    );
  });

  it('with names and values of any length or depth is refused', async () => {
    for (const part of [
      field('x'.repeat(200), '1'),
      field('model', 'x'.repeat(5000)),
      field('a[b][c]', '1'),
      field('a[1000000000]', '1'),
      `--${BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\n1\r\n`,
      `--${BOUNDARY}\r\n${'X: y\r\n'.repeat(5000)}\r\n1\r\n`,
    ]) {
      assertProblem(await post(part + END), 400, 'REQUEST_INVALID');
    }
    for (const name of ['__proto__', 'constructor', 'hasOwnProperty']) {
      const { status } = await post(field(name, '1') + END);
      assert.ok(status === 422 || status === 400, name);
    }
    assert.equal(({} as Record<string, unknown>)['1'], undefined);
  });

  it('cannot name a place on our disk, or a second header line', async () => {
    const names: Record<string, string> = {
      '../../../../etc/passwd': 'passwd',
      '..\\..\\boot.ini': '.._.._boot.ini',
      '/etc/cron.d/x.wav': 'x.wav',
      '%0d%0aSet-Cookie: a=b.wav': '__Set-Cookie: a=b.wav',
      '\u202egnp.wav': '_gnp.wav',
      '..': 'song',
      '.': 'song',
      '/': 'song',
      '...': 'song',
      'a;b="c".wav': 'a;b="c".wav',
    };
    for (const [name, shown] of Object.entries(names)) {
      const id = await submit(api, {}, name);
      const { name: given } = (await call(api, `/jobs/${id}`)).as(jobDocument);
      assert.equal(given, shown);
    }
    const long = await submit(api, {}, `${'ä'.repeat(5000)}.wav`);
    const { name: cut } = (await call(api, `/jobs/${long}`)).as(jobDocument);
    assert.equal(cut.length, 200);
  });
});

void describe('a request', () => {
  it('that lies about its length, or is not HTTP, is answered and ended', async () => {
    const short = await raw(
      api,
      `POST /api/v1/stemify HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n` +
        `Content-Type: ${FORM['Content-Type']}\r\nContent-Length: 20\r\n\r\n` +
        `${filePart()}xxxx${END}`,
    );
    assert.match(short, /^HTTP\/1\.1 400 /);
    for (const text of [
      'POST /api/v1/stemify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'POST /api/v1/stemify HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n',
      'hello\r\n\r\n',
    ]) {
      const answer = await raw(api, text);
      assert.match(answer, /^HTTP\/1\.1 400 /);
      assert.match(answer, /application\/problem\+json[^]*"code":"REQUEST_INVALID"/);
    }
  });

  it('that Node.js would refuse without a word gets a problem document', async () => {
    const expected: [request: string, status: number, detail: RegExp][] = [
      ['GET /api/v1/health/live HTTP/1.1\r\n', 400, /no Host header/],
      [
        'GET /api/v1/health/live HTTP/1.1\r\nHost: localhost\r\nExpect: wat\r\n',
        417,
        /Expect header/,
      ],
      [
        'POST /api/v1/stemify HTTP/1.1\r\nHost: localhost\r\nExpect: 200-ok\r\n',
        417,
        /Expect header/,
      ],
      ['CONNECT example.com:443 HTTP/1.1\r\nHost: localhost\r\n', 405, /CONNECT is not possible/],
      ['OPTIONS * HTTP/1.1\r\nHost: localhost\r\n', 404, /nothing at/],
    ];
    for (const [request, status, detail] of expected) {
      const [head = '', body = ''] = (await raw(api, `${request}Connection: close\r\n\r\n`)).split(
        '\r\n\r\n',
      );
      assert.ok(head.startsWith(`HTTP/1.1 ${String(status)} `), head);
      assert.match(head, /^content-type: application\/problem\+json/im);
      const problem = JSON.parse(body) as Record<string, unknown>;
      assert.equal(problem.status, status);
      assert.match(String(problem.detail), detail);
      assert.equal(problem.error, problem.detail);
    }
    // HTTP/1.0 has no Host.
    const old = await raw(api, 'GET /api/v1/health/live HTTP/1.0\r\n\r\n');
    assert.match(old, /^HTTP\/1\.1 200 /);
  });

  it('with a flood of headers is refused', async () => {
    const answer = await raw(
      api,
      `GET /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\n${'X-Flood: y\r\n'.repeat(5000)}\r\n`,
    );
    assert.match(answer, /^HTTP\/1\.1 431 /);
    assert.match(answer, /"code":"REQUEST_INVALID"/);
  });

  it('cannot put an id of its own making into the log', async () => {
    for (const id of ['x'.repeat(500), 'a b', '"}{']) {
      const { headers } = await call(api, '/health/live', { headers: { 'X-Request-Id': id } });
      assert.match(headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/);
    }
  });

  it('for a job that is not there is told so, whatever the id', async () => {
    const ids = [
      '00000000-0000-4000-8000-000000000000',
      'x',
      '..%2f..%2fetc%2fpasswd',
      '%00',
      'x'.repeat(5000),
      '*',
      '__proto__',
    ];
    for (const id of ids) {
      for (const rest of ['', '/stems/vocals', '/stems.zip', '/events', '/ws'])
        assertProblem(await call(api, `/jobs/${id}${rest}`), 404, 'JOB_NOT_FOUND');
      assertProblem(await call(api, `/jobs/${id}`, { method: 'DELETE' }), 404, 'JOB_NOT_FOUND');
    }
    for (const id of ['%ff', '%', '%c0%ae'])
      assertProblem(await call(api, `/jobs/${id}`), 400, 'REQUEST_INVALID');
  });
});
