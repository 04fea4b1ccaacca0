/** API_KEYS, from the environment of a real service to its answers. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { startRedis } from '../support/redis.js';
import { ask, launch, startService } from '../support/service.js';

void it('every process of the API asks for the keys of API_KEYS, and none tells them', async (context) => {
  const { url: REDIS_URL } = await startRedis(context);
  const key = 'short-of-safe';
  const service = await startService(context, ['api', '--processes', '2'], {
    REDIS_URL,
    API_KEYS: `["${key}","4f1c0d5e7a8b2e6d4f1c0d5e7a8b2e6d"]`,
  });
  const show = (shown: string) => ({ headers: { Authorization: `Bearer ${shown}` } });
  // More requests than processes, each by a connection of its own.
  for (let n = 0; n < 6; n++) {
    const close = { Connection: 'close' };
    const refused = await ask(service, '/jobs', { headers: close });
    assert.equal(refused.status, 401);
    assert.equal(refused.body.code, 'API_KEY_REQUIRED');
    const answer = await ask(service, '/jobs', { headers: { ...show(key).headers, ...close } });
    assert.deepEqual(answer.body, { jobs: [], next_cursor: null });
  }
  assert.equal((await ask(service, '/jobs', show(`${key}x`))).status, 401);
  assert.equal((await ask(service, '/health/live')).status, 200);

  const metrics = await (await fetch(service.metricsUrl)).text();
  assert.match(metrics, /demucs_errors_total\{code="API_KEY_INVALID"\} 1/);
  assert.equal(service.logs().filter(({ event }) => event === 'api_key_short').length, 2);
  const { stderr } = await service.kill('SIGTERM');
  const told = JSON.stringify(service.logs()) + stderr + metrics;
  assert.ok(!told.includes(key) && !told.includes('4f1c0d5e7a'));
});

void it('keys that cannot be stop the start, unseen', async (context) => {
  const service = await launch(context, ['api'], { API_KEYS: 'my key,another' });
  const { status, stderr } = await service.ended;
  assert.equal(status, 2);
  assert.match(stderr, /^oxboard: Expected list of API keys .* variable API_KEYS but received/);
  assert.doesNotMatch(stderr, /my key/);
});
