/** The receiver of examples/ takes what the service sends, once, and nothing else. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createSender } from '../../src/webhooks/sender.js';

const program = fileURLToPath(
  new URL('../../examples/webhook-receiver/receiver.mjs', import.meta.url),
);
const DOCUMENT = {
  job_id: 'e5f0c8a5-10b0-4c3c-9a5b-6a1c2f3d4e5f',
  status: 'completed',
  error: null,
  result: { stems: { vocals: {}, drums: {} } },
};

async function startExample(secret: string) {
  const child = spawn(process.execPath, [program], {
    cwd: path.dirname(program),
    env: { PORT: '0', WEBHOOK_SECRET: secret },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  after(() => child.kill('SIGKILL'));
  let said = '';
  const says = async (words: RegExp): Promise<string> => {
    for await (const chunk of child.stdout
      .setEncoding('utf8')
      .iterator({ destroyOnReturn: false })) {
      said += String(chunk);
      const found = words.exec(said)?.[0];
      if (found !== undefined) return found;
    }
    throw new Error(`The receiver ended after ${said}`);
  };
  return { says, url: await says(/http:\S+\//), said: () => said };
}

const send = async (url: string, secret: string, id: string, document: object) => {
  const sender = createSender({ secret, allowPrivate: true, version: '1' });
  const { signal } = new AbortController();
  const outcome = await sender.send({ id, url, body: JSON.stringify(document), signal });
  await sender.close();
  return 'status' in outcome ? outcome.status : outcome.error;
};

describe('the receiver of examples/', () => {
  for (const secret of ['a plain secret — ü', `whsec_${Buffer.alloc(32, 7).toString('base64')}`]) {
    it(`takes each message once, and none of another's (${secret.slice(0, 6)})`, async () => {
      const { url, says, said } = await startExample(secret);
      assert.equal(await send(url, 'another secret', 'x', DOCUMENT), 401);
      const forged = { 'webhook-id': 'x', 'webhook-timestamp': String(Date.now() / 1000) };
      for (const signature of ['', 'v1,', 'v1,AAAA', 'x'.repeat(44)]) {
        const { status } = await fetch(url, {
          method: 'POST',
          body: JSON.stringify(DOCUMENT),
          headers: { ...forged, 'webhook-signature': signature },
        });
        assert.equal(status, 401, signature);
      }
      assert.equal(await send(url, secret, 'one', DOCUMENT), 204);
      assert.equal(await send(url, secret, 'one', DOCUMENT), 204);
      const error = 'no audio';
      const failed = { ...DOCUMENT, status: 'failed', error, result: null };
      assert.equal(await send(url, secret, 'two', failed), 204);
      await says(/failed \(no audio\)/);
      assert.equal(said().match(/completed \(vocals, drums\)/g)?.length, 1);
      assert.equal(said().match(/^job /gm)?.length, 2);
    });
  }
});
