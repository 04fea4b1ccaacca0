/** What is promised of a dispatcher that was closed, which a sweeper may still ask. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { until } from '../support/until.js';
import { startQueue } from './harness.js';

it('a closed dispatcher leaves no connection, whatever it is asked', async (context) => {
  const queue = await startQueue(context);
  const { connection, dispatcher } = await queue.join();
  const clients = async () => {
    const list = (await connection.send(['CLIENT', 'LIST'])) as string;
    return list.trim().split('\n').length;
  };
  const before = await clients();
  await dispatcher.wake(1);
  assert.ok((await clients()) > before);
  await dispatcher.close();
  await dispatcher.wake(1);
  assert.equal(await dispatcher.waiting(), 0);
  await until(async () => (await clients()) === before, 'the end of its connections');
});
