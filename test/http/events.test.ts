/** Progress as it happens, by server-sent events and by WebSocket, to real clients of both. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { after, describe, it, type TestContext } from 'node:test';
import { EventSource } from 'eventsource';
import { WebSocket } from 'ws';
import { readiness } from '../../src/http/routes/health.js';
import { complete, startApi, submit, takeJob, type TestApi } from '../support/api.js';
import { jobDocument } from '../../src/http/job-document.js';
import { assertProblem, call } from '../support/contract.js';
import { until } from '../support/until.js';

interface Message {
  id: string;
  event: string;
  job_id: string;
  status: string;
  stage: string;
  progress: number;
  error: string | null;
  error_code: string | null;
}

const EVENTS = ['progress', 'completed', 'failed', 'cancelled'];

/** Listens as a browser would, and comes back when the stream ends, until it is told not to. */
function listen(api: TestApi, id: string, context: TestContext) {
  const messages: Message[] = [];
  const connections: (string | null)[] = [];
  const statuses: number[] = [];
  const source = new EventSource(`${api.url}/api/v1/jobs/${id}/events`, {
    fetch: async (url, init) => {
      connections.push(new Headers(init.headers).get('last-event-id'));
      const response = await fetch(url, init);
      statuses.push(response.status);
      return response;
    },
  });
  context.after(() => source.close());
  for (const event of EVENTS) {
    source.addEventListener(event, ({ data, lastEventId }) => {
      const message = JSON.parse(data as string) as Message;
      assert.equal(message.event, event);
      assert.equal(message.id, lastEventId);
      messages.push(message);
    });
  }
  return { source, messages, connections, statuses };
}

const outline = (messages: Message[]) =>
  messages.map(({ event, stage, progress }) => `${event} ${stage} ${progress}`);

/** Reads a stream of events to its end, by hand. */
async function read(api: TestApi, id: string, rest = ''): Promise<string> {
  const response = await fetch(`${api.url}/api/v1/jobs/${id}/events${rest}`);
  return response.text();
}

async function open(url: string, options: object = {}) {
  const socket = new WebSocket(url, options);
  const messages: Message[] = [];
  socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString()) as Message));
  const closed = once(socket, 'close') as Promise<[number, Buffer]>;
  const result = await Promise.race([
    once(socket, 'open').then(() => undefined),
    once(socket, 'unexpected-response').then((answer) => {
      const [request, response] = answer as [ClientRequest, IncomingMessage];
      request.destroy();
      return response.statusCode;
    }),
  ]);
  return { socket, messages, closed, refused: result };
}

/** Milliseconds: a socket of this process answers sooner, however busy the machine is. */
const HEARTBEAT_MS = 1_000;

const wsUrl = (api: TestApi, id: string, rest = '') =>
  `ws://127.0.0.1:${api.port}/api/v1/jobs/${id}/ws${rest}`;

const api = await startApi({ after }, { config: { corsOrigins: ['https://board.example'] } });

void describe('events of a job', () => {
  it('come to both kinds of listeners, the current state first, and end after the last', async (context) => {
    const api = await startApi(context);
    const id = await submit(api);
    const early = listen(api, id, context);
    const socket = await open(wsUrl(api, id));
    await until(() => (early.messages.length === 1 ? true : undefined));
    assert.deepEqual(outline(early.messages), ['progress waiting 0']);

    const claim = await takeJob(api);
    await api.claims.progress(claim, { stage: 'separating', progress: 30 });
    await until(() => early.messages.find(({ progress }) => progress === 30));
    const late = listen(api, id, context);
    await until(() => (late.messages.length > 0 ? true : undefined));
    assert.deepEqual(outline(late.messages), ['progress separating 30']);

    await complete(api, claim, { vocals: Buffer.from('x') });
    const [code] = await socket.closed;
    assert.equal(code, 1000);
    for (const { messages } of [early, late, socket]) {
      const last = await until(() => messages.find(({ event }) => event === 'completed'));
      assert.equal(last.status, 'completed');
      assert.equal(last.progress, 100);
      assert.equal(last.job_id, id);
    }
    assert.deepEqual(socket.messages, early.messages);
    const ids = early.messages.map((message) => message.id);
    assert.deepEqual([...new Set(ids)], ids);

    // The browser comes back once, has seen the end, and is told to stay away.
    for (const { source, statuses, connections, messages } of [early, late]) {
      await until(() => (source.readyState === source.CLOSED ? true : undefined));
      assert.deepEqual(statuses, [200, 204]);
      assert.equal(connections.at(-1), messages.at(-1)?.id);
    }

    // After the end: its state, and no more.
    assert.match(await read(api, id), /event: completed\ndata: .*\n\n$/);
    const after = await open(wsUrl(api, id));
    assert.equal((await after.closed)[0], 1000);
    assert.deepEqual(outline(after.messages), ['completed done 100']);
  });

  it('say in the last one what was wrong with the song, as its document does', async (context) => {
    const api = await startApi(context);
    const id = await submit(api);
    const socket = await open(wsUrl(api, id));
    const warning = {
      code: 'AUDIO_DAMAGED' as const,
      message: 'The audio is damaged at 1.5 s',
      atSeconds: 1.5,
      lostSeconds: 0.25,
    };
    const claim = await takeJob(api);
    await complete(api, claim, { vocals: Buffer.from('x') }, { warnings: [warning] });
    await socket.closed;
    const { code, message, atSeconds, lostSeconds } = warning;
    const told = { code, message, at_seconds: atSeconds, lost_seconds: lostSeconds };
    const last = socket.messages.at(-1) as { warnings?: unknown } | undefined;
    assert.deepEqual(last?.warnings, [told]);
    assert.deepEqual((await call(api, `/jobs/${id}`)).as(jobDocument).warnings, [told]);
  });

  it('go on after the one that was seen last', async (context) => {
    const api = await startApi(context);
    const id = await submit(api);
    const claim = await takeJob(api);
    // Events of one stage come no faster than clients care for; another stage is told at once.
    await api.claims.progress(claim, { stage: 'decoding', progress: 10 });
    await api.claims.progress(claim, { stage: 'separating', progress: 30 });
    const first = await open(wsUrl(api, id));
    await api.claims.progress(claim, { stage: 'encoding', progress: 40 });
    await until(() => first.messages.find(({ progress }) => progress === 40));
    const seen = first.messages[0]!;
    assert.equal(seen.progress, 30);
    first.socket.close();
    await api.claims.fail(claim, { code: 'OUT_OF_MEMORY', message: 'No memory' });

    const rest = await read(api, id, `?last_event_id=${seen.id}`);
    assert.deepEqual(
      [...rest.matchAll(/^event: (\w+)$/gm)].map(([, event]) => event),
      ['progress', 'failed'],
    );
    assert.match(rest, /"progress":40/);
    assert.match(rest, /"error":"No memory","error_code":"OUT_OF_MEMORY"/);
    const again = await open(wsUrl(api, id, `?last_event_id=${seen.id}`));
    await again.closed;
    assert.deepEqual(
      again.messages.map(({ event }) => event),
      ['progress', 'failed'],
    );
    for (const nonsense of ['x', '0', '-', '1-1-1', '../..', '99999999999999999999999-0']) {
      const answer = await read(api, id, `?last_event_id=${encodeURIComponent(nonsense)}`);
      assert.match(answer, /event: failed/);
    }
  });

  it('tell of a cancel and of a removal', async (context) => {
    const api = await startApi(context);
    const id = await submit(api);
    const claim = await takeJob(api);
    const { messages } = listen(api, id, context);
    const socket = await open(wsUrl(api, id));
    await until(() => (messages.length > 0 ? true : undefined));
    await call(api, `/jobs/${id}`, { method: 'DELETE' });
    await until(() => messages.find(({ event }) => event === 'cancelled'));
    assert.equal((await socket.closed)[0], 1000);
    assert.equal(socket.messages.at(-1)?.event, 'cancelled');
    assert.equal(await api.claims.progress(claim, { stage: 'encoding', progress: 90 }), false);
  });

  it('are kept alive while nothing happens, and not kept by proxies', async (context) => {
    const api = await startApi(context, { heartbeatMs: HEARTBEAT_MS });
    const id = await submit(api);
    const response = await fetch(`${api.url}/api/v1/jobs/${id}/events`);
    assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
    assert.equal(response.headers.get('x-accel-buffering'), 'no');
    assert.match(response.headers.get('cache-control') ?? '', /no-store/);
    assert.equal(response.headers.get('content-encoding'), null);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while ((text.match(/^: heartbeat$/gm) ?? []).length < 2)
      text += (await reader.read()).value ?? '';
    await reader.cancel();

    const { socket } = await open(wsUrl(api, id));
    await once(socket, 'ping');
    await once(socket, 'ping');
    assert.equal(socket.readyState, socket.OPEN);
    socket.terminate();
    // Those that are gone are not listened for.
    await until(async () => {
      const text = await api.metrics.registry.getSingleMetricAsString('demucs_event_listeners');
      return text.includes('"sse"} 0\n') && /"ws"\} 0$/m.test(text) ? true : undefined;
    });
  });

  it('are cut off from a WebSocket that does not answer', async (context) => {
    const api = await startApi(context, { heartbeatMs: 50 });
    const { closed } = await open(wsUrl(api, await submit(api)), { autoPong: false });
    assert.equal((await closed)[0], 1006);
  });
});

void describe('a WebSocket', async () => {
  const id = await submit(api);

  it('is for jobs that are there', async () => {
    const unknown = '00000000-0000-4000-8000-000000000000';
    assert.equal((await open(wsUrl(api, unknown))).refused, 404);
    assert.equal((await open(wsUrl(api, 'x'))).refused, 404);
    assert.equal((await open(`ws://127.0.0.1:${api.port}/elsewhere`)).refused, 404);
    assert.equal((await open(`ws://127.0.0.1:${api.port}/api/v1/models`)).refused, 200);
    const answer = await call(api, `/jobs/${id}/ws`);
    assertProblem(answer, 426, 'UPGRADE_REQUIRED');
    assert.equal(answer.headers.get('upgrade'), 'websocket');
  });

  it('is refused with a problem document when its handshake is malformed', async () => {
    const key = { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' };
    const version = { 'Sec-WebSocket-Version': '13' };
    const malformed: [headers: Record<string, string>, detail: RegExp][] = [
      [version, /Sec-WebSocket-Key/],
      [{ ...version, 'Sec-WebSocket-Key': 'x' }, /Sec-WebSocket-Key/],
      [key, /Sec-WebSocket-Version/],
      [{ ...key, 'Sec-WebSocket-Version': '99' }, /Sec-WebSocket-Version/],
      [{ ...key, ...version, 'Sec-WebSocket-Protocol': ',,' }, /Sec-WebSocket-Protocol/],
    ];
    for (const [headers, detail] of malformed) {
      const asked = request(`${api.url}/api/v1/jobs/${id}/ws`, {
        headers: { Connection: 'Upgrade', Upgrade: 'websocket', ...headers },
      }).end();
      const [answer] = (await once(asked, 'response')) as [IncomingMessage];
      const body: unknown = JSON.parse(Buffer.concat(await answer.toArray()).toString());
      const given = {
        status: answer.statusCode ?? 0,
        headers: new Headers(answer.headers as Record<string, string>),
        body,
      };
      assert.match(assertProblem(given, 400, 'REQUEST_INVALID'), detail);
      assert.equal(answer.headers['sec-websocket-version'], '13');
    }
  });

  it('is for pages of allowed origins only, and for what is no page', async () => {
    const tryFrom = async (origin: string) => {
      const { socket, refused } = await open(wsUrl(api, id), { origin });
      if (refused === undefined) socket.terminate();
      return refused;
    };
    assert.equal(await tryFrom('https://board.example'), undefined);
    assert.equal(await tryFrom(`http://127.0.0.1:${api.port}`), undefined);
    for (const origin of ['https://evil.example', 'null', 'https://board.example.evil.example'])
      assert.equal(await tryFrom(origin), 403, origin);
  });

  it('does not take what clients send', async () => {
    const { socket, closed } = await open(wsUrl(api, id));
    socket.send('hello');
    socket.send('x'.repeat(5000));
    assert.equal((await closed)[0], 1009);
    assert.equal((await call(api, '/health/live')).status, 200);
  });

  it('is not the only thing that a client may want to upgrade to', async () => {
    const response = await fetch(`${api.url}/api/v1/jobs/${id}`);
    assert.equal(response.status, 200);
    const asked = request(`${api.url}/api/v1/jobs/${id}`, {
      headers: { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c' },
    }).end();
    const [answer] = (await once(asked, 'response')) as [
      { statusCode: number; resume: () => void },
    ];
    answer.resume();
    assert.equal(answer.statusCode, 200);
  });
});

void describe('a service that is stopped', () => {
  it('answers what is under way, ends streams, and takes nothing new', async (context) => {
    const api = await startApi(context);
    const id = await submit(api);
    const events = read(api, id);
    const socket = await open(wsUrl(api, id));
    await until(() => (socket.messages.length > 0 ? true : undefined));

    // A handshake that came to nothing is not waited for.
    const asked = request(`${api.url}/api/v1/jobs/${id}/ws`, {
      headers: { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Key': 'x' },
    }).end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    assert.equal(answer.statusCode, 400);

    const drained = api.api.drain();
    assert.match(await events, /event: progress/);
    assert.equal((await socket.closed)[0], 1001);
    const refused = await call(api, `/jobs/${id}`);
    assertProblem(refused, 503, 'SHUTTING_DOWN');
    assert.equal(refused.headers.get('connection'), 'close');
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    assert.equal((await open(wsUrl(api, id))).refused, 503);
    assert.equal((await call(api, '/health/live')).status, 200);
    const ready = await call(api, '/health/ready');
    assert.equal(ready.status, 503);
    assert.deepEqual(ready.as(readiness).missing, ['shutting_down']);
    await drained;
  });
});
