/**
 * A receiver of webhooks, without any package: it checks who speaks, and takes each message once.
 *
 *     WEBHOOK_SECRET=... node receiver.mjs
 *     curl -F file=@song.mp3 -F callback_url=http://localhost:3001/ http://localhost:8000/api/v1/stemify
 *
 * On one machine, as here, the service needs WEBHOOK_ALLOW_PRIVATE=true.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';

const { PORT = '3001', HOST = '127.0.0.1', WEBHOOK_SECRET = '' } = process.env;
if (WEBHOOK_SECRET === '') {
  console.error('WEBHOOK_SECRET has to be the secret of the service');
  process.exit(2);
}
const key = WEBHOOK_SECRET.startsWith('whsec_')
  ? Buffer.from(WEBHOOK_SECRET.slice('whsec_'.length), 'base64')
  : Buffer.from(WEBHOOK_SECRET);

/** Seconds by which a message may be late: an old one may be somebody's recording. */
const TOLERANCE = 300;

/** Whether `body`, the bytes as they came, is from who has the secret, and of now. */
function isGenuine(headers, body) {
  const id = headers['webhook-id'] ?? '';
  const timestamp = headers['webhook-timestamp'] ?? '';
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= TOLERANCE)) return false;
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
  return String(headers['webhook-signature'])
    .split(' ')
    .map((signature) => Buffer.from(signature.replace(/^v1,/, ''), 'base64'))
    .some((given) => given.length === expected.length && timingSafeEqual(given, expected));
}

// A delivery whose answer was lost comes again. A database would remember longer.
const seen = new Set();

const server = createServer(async (request, response) => {
  const body = await buffer(request);
  if (!isGenuine(request.headers, body)) {
    response.writeHead(401).end();
    return;
  }
  const id = request.headers['webhook-id'];
  if (!seen.has(id)) {
    seen.add(id);
    const { job_id, status, error, result } = JSON.parse(body.toString());
    const what = error ?? Object.keys(result?.stems ?? {}).join(', ');
    console.log(`job ${job_id}: ${status}${what && ` (${what})`}`);
  }
  response.writeHead(204).end();
});

server.listen(Number(PORT), HOST, () => {
  console.log(`listening on http://${HOST}:${server.address().port}/`);
});
