import assert from 'node:assert/strict';
import { it } from 'node:test';
import { OxboardError } from '../../src/errors.js';
import { findMissing } from '../../src/observability/health.js';

it('names what a process lacks, also what does not answer at all', async () => {
  const missing = await findMissing([
    { name: 'storage', check: () => Promise.resolve() },
    {
      name: 'redis',
      check: () => Promise.reject(new OxboardError('REDIS_UNAVAILABLE', 'Redis does not answer')),
    },
    {
      name: 'ffmpeg',
      check: () => {
        throw new Error('gone');
      },
    },
    { name: 'workers', check: () => new Promise(() => undefined) },
  ]);
  assert.deepEqual(missing, [
    { name: 'redis', code: 'REDIS_UNAVAILABLE', message: 'Redis does not answer' },
    { name: 'ffmpeg', code: 'INTERNAL', message: 'gone' },
    { name: 'workers', code: 'INTERNAL', message: 'no answer within 2 seconds' },
  ]);
});
