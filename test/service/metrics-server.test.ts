/** What the port for metrics answers, and that no request ends the service. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import { startMetricsServer } from '../../src/bin/service/metrics-server.js';
import { freePort } from '../support/free-port.js';

const silence = () => undefined;
const logger = { error: silence, warn: silence, info: silence, debug: silence };

void describe('the port for metrics', () => {
  it('answers /metrics, whatever else it is asked', async () => {
    const port = await freePort();
    const address = { host: '127.0.0.1', port, variable: 'METRICS_PORT' };
    const server = await startMetricsServer(address, () => Promise.resolve('up 1\n'), logger);
    after(() => server.stop(0));
    const statusOf = async (method: string, target: string): Promise<number> => {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      socket.end(`${method} ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      return Number((await text(socket)).split(' ')[1]);
    };
    for (const target of ['//', 'http://[::/', '/metrics/..', '/%', '*']) {
      assert.equal(await statusOf('GET', target), 404, target);
    }
    assert.equal(await statusOf('POST', '/metrics'), 405);
    assert.equal(await statusOf('GET', '/metrics?name[]=up'), 200);
  });
});
