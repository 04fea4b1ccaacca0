/** What is known of workers and their models. */
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { createWorkers } from '../../src/queue/workers.js';
import { model, startQueue, worker } from './harness.js';
import { until } from '../support/until.js';

const queue = await startQueue({ after });
const { workers, connection } = await queue.join();
const frail = createWorkers(connection, { holdsMs: 50 });

it('workers live while they say so, and their models are remembered', async () => {
  assert.deepEqual(await workers.list(), []);
  assert.deepEqual(await workers.models(), { models: [], defaultModel: undefined });

  const first = worker('first', { models: [model('toy'), model('big')], defaultModel: 'big' });
  const second = worker('second', { models: [model('toy', { realtimeFactor: 3 })] });
  await workers.announce(first);
  await workers.announce(second);
  await workers.announce({ ...second, active: 1 });
  assert.deepEqual(await workers.list(), [first, { ...second, active: 1 }]);
  assert.deepEqual(await workers.models(), {
    models: [
      { ...model('toy', { realtimeFactor: 3 }), serving: true },
      { ...model('big'), serving: true },
    ],
    defaultModel: 'big',
  });

  await workers.withdraw('first');
  assert.deepEqual(
    (await workers.models()).models.map(({ name }) => name),
    ['toy'],
  );

  await frail.announce(second);
  await until(async () => (await workers.list()).length === 0, 'the end of an announcement');
  const { models, defaultModel } = await workers.models();
  assert.deepEqual(
    models.map(({ name, serving }) => [name, serving]),
    [
      ['toy', false],
      ['big', false],
    ],
  );
  assert.equal(defaultModel, 'toy');
});
