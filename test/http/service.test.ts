/** What the service tells of itself, and what it tells browsers and strangers. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Validator } from '@seriousme/openapi-schema-validator';
import { ERROR_CODES, httpStatusOf, type ErrorCode } from '../../src/errors.js';
import { health, readiness } from '../../src/http/routes/health.js';
import { modelList } from '../../src/http/routes/models.js';
import { jobOptions } from '../../src/options.js';
import { openStorage } from '../../src/storage/open.js';
import { temporaryFolder } from '../support/audio.js';
import { ANNOUNCEMENT, startApi, submit, takeJob } from '../support/api.js';
import { assertFits, assertProblem, call, document } from '../support/contract.js';
import { until } from '../support/until.js';

const api = await startApi(
  { after },
  { config: { corsOrigins: ['https://board.example'], adminKey: 'the-operator-8d1f3a5c77' } },
);

void describe('models and health', () => {
  it('models are those that workers announced, and say whether one runs now', async (context) => {
    const service = await startApi(context, { worker: null });
    assert.deepEqual((await call(service, '/models')).body, { default_model: null, models: [] });
    await service.workers.announce(ANNOUNCEMENT);
    const body = (await call(service, '/models')).as(modelList);
    assert.equal(body.default_model, 'htdemucs');
    assert.deepEqual(body.models, [
      {
        name: 'htdemucs',
        sources: ['drums', 'bass', 'other', 'vocals'],
        sample_rate: 44_100,
        segment_seconds: 7.8,
        embedded: false,
        notice: null,
        license: { name: 'MIT', grant: 'stated', source: 'a test', checked: null },
        size_bytes: 1000,
        realtime_factor: 2,
        available: true,
      },
    ]);
    await service.workers.withdraw(ANNOUNCEMENT.id);
    assert.equal((await call(service, '/models')).as(modelList).models[0]?.available, false);
  });

  it('health counts jobs and workers, and says when there is no worker', async (context) => {
    const service = await startApi(context);
    await submit(service, { seed: '1' });
    await submit(service, { seed: '2' });
    await takeJob(service);
    assert.deepEqual((await call(service, '/health')).body, {
      status: 'healthy',
      version: '1.2.3',
      models_available: ['htdemucs'],
      queue_status: { active_jobs: 1, queued_jobs: 1, workers_available: 1 },
      limits: {
        file_bytes: 2_000_000,
        duration_seconds: 60,
        jobs: 1_000_000,
        period_seconds: 3600,
      },
      pulls: [],
    });
    const pull = { model: 'htdemucs_ft', status: 'pulling', progress: 40, error: null } as const;
    await service.workers.announce({ ...ANNOUNCEMENT, pull });
    assert.deepEqual((await call(service, '/health')).as(health).pulls, [pull]);
    assert.deepEqual((await call(service, '/health/ready')).body, { status: 'ready', missing: [] });

    await service.workers.withdraw(ANNOUNCEMENT.id);
    assert.equal((await call(service, '/health')).as(health).status, 'degraded');
    const ready = await call(service, '/health/ready');
    assert.equal(ready.status, 503);
    assert.deepEqual(ready.body, { status: 'not_ready', missing: ['workers'] });
  });

  it('readiness does not write into the storage as often as strangers ask for it', async (context) => {
    const storage = await openStorage({ storageUrl: undefined, dataDir: temporaryFolder(context) });
    let looks = 0;
    const check = storage.check.bind(storage);
    storage.check = () => {
      looks++;
      return check();
    };
    const service = await startApi(context, { storage });
    const began = performance.now();
    for (let at = 0; at < 20; at++) {
      assert.equal((await call(service, '/health/ready')).status, 200);
    }
    const seconds = (performance.now() - began) / 1000;
    assert.ok(looks >= 1 && looks <= 1 + seconds, `${looks} in ${seconds} s`);
  });

  it('without Redis the process is alive, the service is not, and all says so until it is back', async (context) => {
    const service = await startApi(context);
    const id = await submit(service);
    await service.redis.stop();
    assert.deepEqual((await call(service, '/health/live')).body, { status: 'alive' });
    const answer = await call(service, '/health');
    assert.equal(answer.status, 503);
    assert.equal(answer.as(health).status, 'unhealthy');
    assert.equal(answer.as(health).queue_status, null);
    const ready = await call(service, '/health/ready');
    assert.equal(ready.status, 503);
    assert.deepEqual(ready.as(readiness).missing, ['redis']);
    for (const path of ['/jobs', `/jobs/${id}`, `/jobs/${id}/events`, '/models']) {
      const answer = await call(service, path);
      assertProblem(answer, 503, 'REDIS_UNAVAILABLE');
      assert.ok(Number(answer.headers.get('retry-after')) > 0);
    }
    await service.redis.start();
    await until(async () =>
      (await call(service, `/jobs/${id}`)).status === 200 ? true : undefined,
    );
  });
});

void describe('paths and methods', () => {
  it('that there are not are told from those that there are', async () => {
    for (const path of ['/nothing', '/jobs/x/y', '/docs/..%2fpackage.json', '/docs/index.html'])
      assertProblem(await call(api, path), 404, 'PATH_NOT_FOUND');
    const elsewhere = await fetch(`${api.url}/favicon.ico`);
    assert.equal(elsewhere.status, 404);
    assert.equal(((await elsewhere.json()) as { code: string }).code, 'PATH_NOT_FOUND');

    const wrong: [string, string, string][] = [
      ['GET', '/stemify', 'POST, OPTIONS'],
      ['PUT', '/jobs', 'GET, HEAD, OPTIONS'],
      ['POST', '/jobs/x', 'GET, DELETE, HEAD, OPTIONS'],
      ['DELETE', '/health', 'GET, HEAD, OPTIONS'],
    ];
    for (const [method, path, allowed] of wrong) {
      const answer = await call(api, path, { method });
      assertProblem(answer, 405, 'METHOD_NOT_ALLOWED');
      assert.equal(answer.headers.get('allow'), allowed);
    }
    const options = await call(api, '/jobs', { method: 'OPTIONS' });
    assert.equal(options.status, 204);
    assert.equal(options.headers.get('allow'), 'GET, HEAD, OPTIONS');
  });

  it('are counted by their patterns', async () => {
    await call(api, '/jobs/some-id');
    const text = await api.metrics.registry.metrics();
    assert.match(
      text,
      /demucs_api_requests_total\{method="GET",route="\/api\/v1\/jobs\/:id",status="404"\} \d/,
    );
    assert.match(text, /demucs_errors_total\{code="JOB_NOT_FOUND"\} \d/);
    assert.doesNotMatch(text, /some-id/);
    const line = api.logged().find(({ path }) => path === '/api/v1/jobs/some-id');
    assert.equal(line?.event, 'http_request');
    assert.equal(line.status, '404');
    assert.match(String(line.request_id), /^[0-9a-f-]{36}$/);
  });
});

void describe('browsers', () => {
  it('of allowed origins may use the API, others not', async () => {
    const preflight = async (origin: string) =>
      fetch(`${api.url}/api/v1/stemify`, {
        method: 'OPTIONS',
        headers: {
          Origin: origin,
          'Access-Control-Request-Method': 'POST',
          'Access-Control-Request-Headers': 'idempotency-key',
        },
      });
    const allowed = await preflight('https://board.example');
    assert.equal(allowed.status, 204);
    assert.equal(allowed.headers.get('access-control-allow-origin'), 'https://board.example');
    assert.match(allowed.headers.get('access-control-allow-headers') ?? '', /Idempotency-Key/);
    const foreign = await preflight('https://evil.example');
    assert.equal(foreign.headers.get('access-control-allow-origin'), null);
    const plain = await fetch(`${api.url}/api/v1/models`, {
      headers: { Origin: 'https://board.example' },
    });
    assert.match(plain.headers.get('access-control-expose-headers') ?? '', /Location/);
  });

  it('on a network without https are not sent there', async () => {
    for (const path of ['/models', '/docs']) {
      const { headers } = await call(api, path);
      assert.equal(headers.get('strict-transport-security'), null);
      const policy = headers.get('content-security-policy') ?? '';
      assert.match(policy, /default-src 'none'/);
      assert.doesNotMatch(policy, /upgrade-insecure-requests|https?:/);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('x-powered-by'), null);
      assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin');
    }
  });

  it('get a page of the documentation that loads nothing from elsewhere', async () => {
    const { headers, bytes } = await call(api, '/docs');
    assert.match(headers.get('content-security-policy') ?? '', /script-src 'self'(;|$)/);
    const page = bytes.toString();
    const files = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file!);
    assert.equal(files.length, 4);
    for (const file of files) {
      const response = await fetch(new URL(file, `${api.url}/api/v1/docs`));
      assert.equal(response.status, 200, file);
      const text = await response.text();
      if (file.endsWith('.css')) assert.doesNotMatch(text, /url\(["']?https?:|@import/);
      if (file.endsWith('start.js')) assert.match(text, /url: 'openapi\.json'.*validatorUrl: null/);
    }
    const slash = await call(api, '/docs/');
    assert.equal(slash.status, 308);
    assert.equal(slash.headers.get('location'), '../docs');
  });
});

type Content = Record<
  string,
  {
    schema: { format?: string };
    example?: unknown;
    examples?: Record<string, { value?: unknown; $ref?: string }>;
  }
>;

interface DocumentedOperation {
  summary?: string;
  parameters?: { schema: { examples?: unknown[] } }[];
  requestBody?: { content: Content };
  responses: Record<string, { content?: Content }>;
}

/** Those of a body; examples that are shared are looked up. */
function examplesOf({ example, examples = {} }: Content[string]): unknown[] {
  const { components } = document as unknown as {
    components: { examples: Record<string, { value: unknown }> };
  };
  const named = Object.values(examples).map(({ value, $ref }) =>
    $ref === undefined ? value : components.examples[$ref.replace(/^.*\//, '')]?.value,
  );
  return example === undefined ? named : [example, ...named];
}

void describe('the OpenAPI document', () => {
  it('is valid, and is served as it is', async () => {
    const validator = new Validator();
    const result = await validator.validate(structuredClone(document));
    assert.ok(result.valid, JSON.stringify(result.errors));
    assert.equal(validator.version, '3.1');
    assert.deepEqual((await call(api, '/openapi.json')).body, document);
  });

  it('lists every route, and none that there is not', async () => {
    for (const [pattern, operations] of Object.entries(document.paths)) {
      const path = pattern.replace('/api/v1', '').replaceAll(/\{\w+\}/g, 'x');
      const { headers } = await call(api, path, { method: 'OPTIONS' });
      const allowed = (headers.get('allow') ?? '').split(', ');
      assert.deepEqual(
        allowed.filter((method) => method !== 'HEAD' && method !== 'OPTIONS').sort(),
        Object.keys(operations)
          .map((method) => method.toUpperCase())
          .filter((method) => method !== 'HEAD')
          .sort(),
        pattern,
      );
    }
    assert.equal(Object.keys(document.paths).length, 25);
  });

  it('has an example for every operation, and each fits its schema', () => {
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const [method, found] of Object.entries(operations)) {
        const operation = found as unknown as DocumentedOperation;
        const where = ['paths', path, method];
        let examples = 0;
        for (const [at, { schema }] of (operation.parameters ?? []).entries()) {
          for (const example of schema.examples ?? []) {
            assertFits([...where, 'parameters', at, 'schema'], example);
            examples++;
          }
        }
        const bodies: [(string | number)[], Content | undefined][] = [
          [['requestBody'], operation.requestBody?.content],
          ...Object.entries(operation.responses).map(
            ([status, { content }]): [string[], Content | undefined] => [
              ['responses', status],
              content,
            ],
          ),
        ];
        for (const [place, content] of bodies) {
          for (const [type, media] of Object.entries(content ?? {})) {
            const shown = examplesOf(media);
            for (const example of shown)
              assertFits([...where, ...place, 'content', type, 'schema'], example);
            if (type !== 'application/problem+json') examples += shown.length;
            const isFile = media.schema.format === 'binary';
            assert.ok(shown.length > 0 || isFile, `${method} ${path} ${place.join(' ')} ${type}`);
          }
        }
        assert.ok(examples > 0, `${method} ${path}`);
        assert.match(String(operation.summary), /^[A-Z].*\.$/);
      }
    }
  });

  it('describes the messages in a stream of events', () => {
    const place = ['paths', '/api/v1/jobs/{id}/events', 'get', 'responses', '200', 'content'];
    const { content } = document.paths['/api/v1/jobs/{id}/events']!.get!.responses['200']!;
    const media = content!['text/event-stream'] as Content[string];
    assertFits([...place, 'text/event-stream', 'schema'], media.example);
    for (const { data } of media.example as { data: string }[])
      assertFits(['components', 'schemas', 'JobMessage'], JSON.parse(data));
    const { JobServerSentEvent: schema } = (
      document as unknown as { components: { schemas: Record<string, { properties: object }> } }
    ).components.schemas;
    const { data } = schema!.properties as Record<string, { contentSchema?: object }>;
    assert.deepEqual(data?.contentSchema, { $ref: '#/components/schemas/JobMessage' });
  });

  it('lists every option of the form with its range', () => {
    const { StemifyForm: schema } = (
      document as unknown as { components: { schemas: Record<string, { properties: object }> } }
    ).components.schemas;
    const fields = schema!.properties as Record<string, Record<string, unknown>>;
    assert.deepEqual(Object.keys(fields).sort(), [
      'allow_damaged',
      'bit_depth',
      'bitrate',
      'callback_url',
      'client_reference',
      'clip_mode',
      'end',
      'file',
      'mix',
      'mixture_consistent',
      'model',
      'normalize',
      'other_method',
      'output_format',
      'overlap',
      'sample_rate',
      'seed',
      'segment',
      'shifts',
      'source_url',
      'start',
      'stems',
      'track',
      'two_stems',
      'upload_id',
      'youtube_url',
    ]);
    assert.deepEqual(fields.file?.format, 'binary');
    assert.deepEqual(fields.output_format?.enum, ['wav', 'flac', 'mp3', 'opus', 'm4a']);
    assert.equal(fields.client_reference?.maxLength, 200);
    assert.equal(fields.shifts?.maximum, 100);
    assert.equal(fields.overlap?.default, 0.25);
    assert.equal(fields.two_stems?.description, jobOptions.shape.twoStems.description);
  });
});

void describe('docs/errors.md', () => {
  it('is the table of src/errors.ts', () => {
    const file = fileURLToPath(new URL('../../docs/errors.md', import.meta.url));
    const rows = readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) =>
        line
          .split('|')
          .map((cell) => cell.trim().replaceAll('`', ''))
          .slice(1, -1),
      );
    const expected = (Object.keys(ERROR_CODES) as ErrorCode[]).map((code) => [
      code,
      String(httpStatusOf(code)),
      String(ERROR_CODES[code].exitStatus),
      ERROR_CODES[code].meaning,
    ]);
    assert.deepEqual(rows, expected);
  });
});
