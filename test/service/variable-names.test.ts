/** Variables that look like settings but are not. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkVariableNames, unknownVariables } from '../../src/bin/service/variable-names.js';

/** Checks the names; returns what was logged. */
function logged(variables: NodeJS.ProcessEnv) {
  const lines: { level: string; event: string; fields: Record<string, unknown> }[] = [];
  const log =
    (level: string) =>
    (event: string, fields: Record<string, unknown> = {}) =>
      void lines.push({ level, event, fields });
  const logger = { error: log('error'), warn: log('warn'), info: log('info'), debug: log('debug') };
  checkVariableNames(variables, logger);
  return lines;
}

describe('a variable that is nearly a setting', () => {
  for (const [variable, meant] of [
    ['DEMUC_DEVICE', 'DEMUCS_DEVICE'],
    ['DEMUCS_MODEL_PATH', 'DEMUCS_MODELS_PATH'],
    ['demucs_threads', 'DEMUCS_THREADS'],
    ['WORKER_CONCURENCY', 'WORKER_CONCURRENCY'],
    ['REDIS_URI', 'REDIS_URL'],
    ['JOB_TTLS', 'JOB_TTL'],
    ['API_RATELIMIT', 'API_RATE_LIMIT'],
    ['STORAGE_URI', 'STORAGE_URL'],
    ['YOUTUBE_ALLOWED_HOST', 'YOUTUBE_ALLOWED_HOSTS'],
    ['OBSERVABILITY_ENABLE_TRACE', 'OBSERVABILITY_ENABLE_TRACING'],
  ] as const) {
    it(`is named: ${variable}`, () => {
      const advice = `${variable} is not a setting. Did you mean ${meant}?`;
      // Three letters are missing there, but the prefix is nobody else's.
      const expected =
        variable === 'OBSERVABILITY_ENABLE_TRACE' ? `${variable} is not a setting.` : advice;
      assert.deepEqual(logged({ [variable]: 'x' }), [
        { level: 'warn', event: 'setting_unknown', fields: { variable, advice: expected } },
      ]);
    });
  }

  for (const [variable, meant] of [
    ['API_KEYZ', 'API_KEYS'],
    ['API_KEY', 'API_KEYS'],
    ['APIKEYS', 'API_KEYS'],
    ['api_keys', 'API_KEYS'],
    ['WEBHOOKS_SECRET', 'WEBHOOK_SECRET'],
  ] as const) {
    it(`stops the start when a secret was meant: ${variable}`, () => {
      assert.throws(() => logged({ [variable]: 'hush' }), {
        code: 'INVALID_ENVIRONMENT',
        message: `${variable} is not a setting. Did you mean ${meant}? If it belongs to another program, set ${meant}= (empty) as well`,
      });
      assert.equal(logged({ [variable]: 'hush', [meant]: '' })[0]?.event, 'setting_unknown');
    });
  }

  it('is not one of another program, or a standard one', () => {
    const others = [
      ...['PATH', 'HOME', 'HOSTNAME', 'APP_KEY', 'APP_KEYS', 'GH_TOKEN', 'CF_TOKEN', 'JOB_NAME'],
      ...['REDIS_HOST', 'REDIS_PORT', 'REDIS_PORT_6379_TCP', 'API_PORT', 'API_SERVICE_HOST'],
      ...['GITHUB_WEBHOOK_SECRET', 'AWS_DEFAULT_REGION', 'AWS_ENDPOINT_URL_SQS', 'XDG_DATA_DIRS'],
      ...['OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_EXPORTER_OTLP_LOGS_ENDPOINT', 'OTEL_SERVICE_NAME'],
    ];
    assert.deepEqual(unknownVariables(others), []);
  });

  it('is not a setting itself, or another name of one', () => {
    const variables = { API_KEYS: 'a', DEMUCS_NUM_WORKERS: '4', OBSERVABILITY_OTLP_ENDPOINT: '' };
    assert.deepEqual(logged(variables), []);
  });
});

describe("the variables of OX Board's original backend", () => {
  it('are named once when they are not used', () => {
    const unused = {
      APP_NAME: 'OX Board Demucs Backend',
      VERSION: '1.0.0',
      REDIS_MAX_CONNECTIONS: '50',
      API_REQUEST_TIMEOUT: '300',
    };
    assert.deepEqual(logged({ ...unused, YOUTUBE_FORMAT: 'bestaudio' }), [
      { level: 'info', event: 'settings_unused', fields: { variables: Object.keys(unused) } },
    ]);
  });
});
