/** Metrics of several processes as one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Counter, Registry } from 'prom-client';
import { MetricsPool, type MetricsSource } from '../../src/bin/service/metrics-pool.js';

const JOBS = 'demucs_jobs_total';

/** A pool, and processes of it that have counted jobs. */
function poolOf(...counts: number[]) {
  const pool = new MetricsPool(new Registry());
  const sources = counts.map((count): MetricsSource => {
    const registry = new Registry();
    new Counter({ name: JOBS, help: 'Jobs', registers: [registry] }).inc(count);
    return {
      ask: (id) => void registry.getMetricsAsJSON().then((snapshot) => pool.answer(id, snapshot)),
    };
  });
  for (const source of sources) pool.add(source);
  return { pool, sources };
}

const jobsOf = async (pool: MetricsPool): Promise<number> =>
  Number(/^demucs_jobs_total (\d+)$/m.exec(await pool.metrics())?.[1]);

describe('counters of several processes', () => {
  it('are added up', async () => {
    assert.equal(await jobsOf(poolOf(5, 7).pool), 12);
  });

  it('stay when processes end together', async () => {
    const { pool, sources } = poolOf(5, 7);
    await pool.metrics();
    for (const source of sources) pool.remove(source);
    assert.equal(await jobsOf(pool), 12);
    assert.equal(await jobsOf(pool), 12);
  });

  it('count once when a process ends while others are still asked', async () => {
    const { pool, sources } = poolOf(5, 7);
    await pool.metrics();
    let answerLate = (): void => undefined;
    pool.add({ ask: (id) => (answerLate = () => pool.answer(id, [])) });
    const counting = jobsOf(pool);
    await new Promise((resolve) => setImmediate(resolve));
    pool.remove(sources[0]!);
    answerLate();
    assert.equal(await counting, 12);
    assert.equal(await jobsOf(pool), 12);
  });
});
