import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import express from 'express';
import { readConfig, readServiceConfig, SETTING_OF, SETTINGS } from '../src/config.js';

describe('the environment', () => {
  it('is empty by default, and an empty value is unset', () => {
    const unset = {
      modelsDir: undefined,
      defaultModel: undefined,
      device: undefined,
      threads: undefined,
      tf32: false,
      hubToken: undefined,
    };
    assert.deepEqual(readConfig({}), unset);
    assert.deepEqual(
      readConfig({ DEMUCS_DEVICE: '', DEMUCS_THREADS: '', DEMUCS_MODELS_PATH: '' }),
      unset,
    );
  });

  it('is read', () => {
    const variables = {
      DEMUCS_MODELS_PATH: '/models',
      DEMUCS_DEFAULT_MODEL: 'htdemucs',
      DEMUCS_DEVICE: 'cuda:1',
      DEMUCS_THREADS: '4',
      DEMUCS_TF32: 'true',
      HF_TOKEN: 'hf_x',
    };
    assert.deepEqual(readConfig(variables), {
      modelsDir: '/models',
      defaultModel: 'htdemucs',
      device: 'cuda:1',
      threads: 4,
      tf32: true,
      hubToken: 'hf_x',
    });
  });

  it('switches GPUs off, whatever device is named', () => {
    assert.equal(readConfig({ DEMUCS_GPU_ENABLED: 'False' }).device, 'cpu');
    assert.equal(readConfig({ DEMUCS_GPU_ENABLED: 'true' }).device, undefined);
    assert.equal(readConfig({ DEMUCS_GPU_ENABLED: '0', DEMUCS_DEVICE: 'cuda' }).device, 'cpu');
  });

  it('takes as BASE_PATH a path that needs no encoding', () => {
    const pathOf = (BASE_PATH: string) => readServiceConfig({ BASE_PATH }).basePath;
    assert.deepEqual(['', '/', '/stems', '/audio/stems/', '/a.b-c_d~e'].map(pathOf), [
      '',
      '',
      '/stems',
      '/audio/stems',
      '/a.b-c_d~e',
    ]);
    for (const text of ['stems', '//stems', '/a//b', '/a/../b', '/..', '/a b', '/a?b', '/:a', '/*'])
      assert.throws(() => pathOf(text), { code: 'INVALID_ENVIRONMENT' }, text);
  });

  it('takes as proxies to trust what Express takes, and stops the start at anything else', () => {
    const trusted = (TRUST_PROXY: string) => readServiceConfig({ TRUST_PROXY }).trustProxy;
    assert.deepEqual(['', 'False', 'TRUE', '2'].map(trusted), [false, false, true, 2]);
    for (const text of ['loopback', '10.0.0.1', '10.0.0.0/8, ::1', 'fc00::/7,uniquelocal']) {
      assert.equal(trusted(text), text);
      express().set('trust proxy', trusted(text));
    }
    for (const text of [
      'yes',
      'proxy.local',
      '10.0.0.0/33',
      '10.0.0.0/0',
      '10.0.0.1/8/8',
      '1,,2',
    ]) {
      assert.throws(() => trusted(text), { code: 'INVALID_ENVIRONMENT', message: /TRUST_PROXY/ });
    }
  });

  it('takes API keys as a JSON list or between commas, each once', () => {
    const keys = (API_KEYS: string) => readServiceConfig({ API_KEYS }).apiKeys;
    assert.deepEqual(keys(''), []);
    assert.deepEqual(keys('one'), ['one']);
    assert.deepEqual(keys('one, two,one'), ['one', 'two']);
    assert.deepEqual(keys('["a,b","c"]'), ['a,b', 'c']);
  });

  it('never shows a secret that is wrong, and never takes an empty key', () => {
    for (const API_KEYS of [
      ' ',
      'hush,',
      ',',
      '[]',
      '[""]',
      '["hush"',
      'hush hush',
      '["hush",1]',
    ]) {
      assert.throws(
        () => readServiceConfig({ API_KEYS }),
        (error: Error) => {
          assert.match(error.message, /^Expected list of API keys .* API_KEYS but received /);
          assert.doesNotMatch(error.message, /hush/);
          return true;
        },
      );
    }
    const urls = [
      ...['http://me:hush@host:1', '//hush@host', 'rediss//me:hush@host', 'me:hush@host'],
      ...[
        'redis://me:hush/hush@host',
        'redis://me:a?hush#hush@hush@host',
        'redis://:/hush\\n@host',
      ],
    ];
    for (const name of ['REDIS_URL', 'STORAGE_URL', 'AWS_ENDPOINT_URL'] as const) {
      for (const url of urls.filter((one) => name === 'REDIS_URL' || !one.startsWith('http'))) {
        assert.throws(
          () => readServiceConfig({ [name]: url }),
          (error: Error) => {
            assert.match(error.message, new RegExp(`${name} but received ".*\\[redacted\\]@host`));
            assert.doesNotMatch(error.message, /hush|me:/);
            return true;
          },
        );
      }
    }
  });

  it('takes a folder or a bucket as storage, and sends clients to a bucket only', () => {
    const refused = (variables: Record<string, string>, message: RegExp) =>
      assert.throws(() => readServiceConfig(variables), { code: 'INVALID_ENVIRONMENT', message });
    for (const url of [
      'file:///mnt/stems',
      's3://bucket',
      's3://my.bucket-1/',
      's3://bucket/a/b-1/',
    ])
      assert.equal(readServiceConfig({ STORAGE_URL: url }).storageUrl, url);
    for (const url of [
      '/mnt/stems',
      's3://',
      's3://b',
      's3:bucket',
      's3://key:secret@bucket',
      's3://bucket/../x',
      's3://bucket//x',
      's3://bucket/a b',
      's3://bucket?region=eu',
      'https://bucket.example.org',
    ])
      refused({ STORAGE_URL: url }, /STORAGE_URL/);
    refused({ AWS_ENDPOINT_URL: 'minio:9000' }, /AWS_ENDPOINT_URL/);

    const bucket = {
      STORAGE_URL: 's3://bucket/prefix',
      AWS_ENDPOINT_URL: 'https://all.example.org',
      AWS_ENDPOINT_URL_S3: 'https://s3.example.org',
      AWS_REGION: '',
    };
    const { s3Endpoint, s3Region, storageDownloads } = readServiceConfig(bucket);
    assert.deepEqual(
      [s3Endpoint, s3Region, storageDownloads],
      ['https://s3.example.org', undefined, 'proxy'],
    );
    const redirect = { STORAGE_DOWNLOADS: 'redirect' };
    assert.equal(readServiceConfig({ ...bucket, ...redirect }).storageDownloads, 'redirect');
    refused(redirect, /STORAGE_DOWNLOADS=redirect needs an s3: URL/);
    refused({ STORAGE_DOWNLOADS: 'direct' }, /proxy or redirect/);
  });

  it('refuses an ADMIN_KEY that a client has too, without showing it', () => {
    assert.equal(readServiceConfig({ ADMIN_KEY: 'c', API_KEYS: 'a,b' }).adminKey, 'c');
    const shared = { ADMIN_KEY: 'b-secret', API_KEYS: 'a,b-secret' };
    assert.throws(() => readServiceConfig(shared), {
      code: 'INVALID_ENVIRONMENT',
      message: /^(?!.*secret)ADMIN_KEY is one of API_KEYS/,
    });
  });

  it('reads where traces go, and judges the variables of OpenTelemetry only when there are traces', () => {
    const other = { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_TRACES_EXPORTER: 'zipkin' };
    assert.equal(readServiceConfig(other).tracing, undefined);
    const on = { OBSERVABILITY_ENABLE_TRACING: 'true' };
    assert.throws(() => readServiceConfig({ ...on, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }), {
      code: 'INVALID_ENVIRONMENT',
      message: /http\/protobuf or http\/json .* OTEL_EXPORTER_OTLP_PROTOCOL .* "grpc"/,
    });
    const protocol = (more: NodeJS.ProcessEnv) => readServiceConfig({ ...on, ...more }).tracing;
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318' };
    const traces = {
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://collector.example.org/v1/traces',
    };
    const json = { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' };
    assert.deepEqual(protocol({}), { protocol: undefined });
    assert.deepEqual(protocol(endpoint), { protocol: 'http/protobuf' });
    assert.deepEqual(protocol({ ...traces, ...json }), { protocol: 'http/json' });
    const own = { OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf' };
    assert.deepEqual(protocol({ ...endpoint, ...json, ...own }), { protocol: 'http/protobuf' });
    assert.deepEqual(protocol({ ...endpoint, OTEL_TRACES_EXPORTER: 'none' }), {
      protocol: undefined,
    });
    assert.equal(protocol({ ...endpoint, OTEL_SDK_DISABLED: 'true' }), undefined);
  });

  it('takes a secret for webhooks, in base64 where it says so, and does not tell it', () => {
    const read = (WEBHOOK_SECRET: string) => readServiceConfig({ WEBHOOK_SECRET }).webhookSecret;
    assert.equal(read(''), undefined);
    for (const secret of ['x', 'a b', 'whsec', 'whsec_MDEyMzQ1Njc4OQ==']) {
      assert.equal(read(secret), secret);
    }
    for (const secret of ['whsec_', 'whsec_MDEyMzQ1Njc4OQ', 'whsec_not base64']) {
      assert.throws(
        () => read(secret),
        ({ code, message }: { code: string; message: string }) =>
          code === 'INVALID_ENVIRONMENT' &&
          message.includes('WEBHOOK_SECRET') &&
          !message.includes(`"${secret}`),
      );
    }
    assert.equal(readServiceConfig({}).webhookAllowPrivate, false);
    assert.equal(readServiceConfig({ WEBHOOK_ALLOW_PRIVATE: 'true' }).webhookAllowPrivate, true);
  });

  it('takes hosts of links as they stand in URLs, and stops the start at anything else', () => {
    const hosts = (YOUTUBE_ALLOWED_HOSTS: string) =>
      readServiceConfig({ YOUTUBE_ALLOWED_HOSTS }).youtubeHosts;
    assert.ok(hosts('').includes('www.youtube.com'));
    assert.deepEqual(hosts('YouTu.be, 127.0.0.1:8080'), ['youtu.be', '127.0.0.1:8080']);
    assert.deepEqual(hosts('["[::1]:8080"]'), ['[::1]:8080']);
    for (const text of [
      'https://youtu.be',
      'youtu.be/',
      '*.youtube.com',
      'a b',
      'youtu.be:0',
      ',',
    ]) {
      assert.throws(() => hosts(text), { code: 'INVALID_ENVIRONMENT', message: /ALLOWED_HOSTS/ });
    }
  });

  it("understands the variables of OX Board's original backend; our own name takes precedence", () => {
    const concurrency = (more: NodeJS.ProcessEnv) =>
      readServiceConfig({ DEMUCS_NUM_WORKERS: '4', ...more }).workerConcurrency;
    assert.equal(concurrency({}), 4);
    assert.equal(concurrency({ WORKER_CONCURRENCY: '' }), 4);
    assert.equal(concurrency({ WORKER_CONCURRENCY: '3' }), 3);
    assert.throws(() => readServiceConfig({ DEMUCS_NUM_WORKERS: 'many' }), /DEMUCS_NUM_WORKERS/);

    const traced = {
      OBSERVABILITY_ENABLE_TRACING: 'true',
      OBSERVABILITY_OTLP_ENDPOINT: 'http://localhost:4318',
    };
    assert.deepEqual(readServiceConfig(traced).tracing, { protocol: 'http/protobuf' });
    const format = 'bestaudio[ext=m4a]';
    assert.equal(readServiceConfig({ YOUTUBE_FORMAT: format }).youtubeFormat, format);
  });

  it('has a key of its own for each setting, and defaults and examples that are allowed', () => {
    const settings = [...SETTING_OF.values()];
    const named = SETTINGS.flatMap((group) => Object.keys(group.settings));
    assert.equal(SETTING_OF.size, named.length);
    assert.equal(new Set(settings.map(({ key }) => key)).size, settings.length);
    for (const { schema, text, key, ...setting } of settings) {
      assert.match(text, /\.$/, key);
      assert.ok(schema.description, key);
      for (const value of [setting.default, setting.example]) {
        assert.ok(value === undefined || schema.safeParse(value).success, `${key}: ${value}`);
      }
    }
  });

  for (const [name, value, words] of [
    ['DEMUCS_DEVICE', 'gpu', 'auto, cpu, cuda or cuda:N'],
    ['DEMUCS_THREADS', '0', 'integer from 1 to 1024'],
    ['DEMUCS_THREADS', '2.5', 'integer from 1 to 1024'],
    ['DEMUCS_GPU_ENABLED', 'maybe', 'true or false'],
  ] as const) {
    it(`refuses ${name}=${value}`, () => {
      assert.throws(() => readConfig({ [name]: value }), {
        code: 'INVALID_ENVIRONMENT',
        message: `Expected ${words} for the environment variable ${name} but received "${value}"`,
      });
    });
  }
});
