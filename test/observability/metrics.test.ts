import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMetrics } from '../../src/observability/metrics.js';

describe('metrics', () => {
  it('have the names that the design promises, with buckets up to half an hour', async () => {
    const metrics = createMetrics();
    metrics.jobsTotal.inc({ status: 'completed' });
    metrics.jobsActive.set(1);
    metrics.processingSeconds.observe(1700);
    metrics.apiRequestsTotal.inc({ method: 'GET', route: '/api/v1/jobs/:id', status: '200' });
    metrics.errorsTotal.inc({ code: 'INPUT_NOT_AUDIO' });
    const text = await metrics.registry.metrics();
    for (const line of [
      'demucs_jobs_total{status="completed"} 1',
      'demucs_jobs_active 1',
      'demucs_processing_seconds_bucket{le="1200"} 0',
      'demucs_processing_seconds_bucket{le="1800"} 1',
      'demucs_api_requests_total{method="GET",route="/api/v1/jobs/:id",status="200"} 1',
      'demucs_errors_total{code="INPUT_NOT_AUDIO"} 1',
    ]) {
      assert.ok(text.split('\n').includes(line), line);
    }
    for (const name of ['process_resident_memory_bytes', 'nodejs_eventloop_lag_seconds']) {
      assert.match(text, new RegExp(`^${name} `, 'm'));
    }
  });

  it('have names and labels as Prometheus wants them, and no label by job', async () => {
    for (const { name, type, help, ...rest } of await createMetrics().registry.getMetricsAsJSON()) {
      assert.match(name, /^[a-z][a-z0-9_]*$/);
      assert.ok(help, name);
      // prom-client tells types as text, against its own declaration of them.
      assert.equal(name.endsWith('_total'), String(type) === 'counter', name);
      assert.doesNotMatch(name, /_(count|sum|bucket|seconds?_total_count)$/);
      assert.doesNotMatch(JSON.stringify(rest), /job_id|request_id/);
    }
  });

  it('are separate for each process that makes them', async () => {
    const [one, other] = [createMetrics(), createMetrics()];
    one.cache.inc({ outcome: 'hit' });
    assert.match(await one.registry.metrics(), /demucs_cache_total\{outcome="hit"\} 1/);
    assert.doesNotMatch(await other.registry.metrics(), /demucs_cache_total\{/);
  });
});
