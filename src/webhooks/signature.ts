/**
 * The signature of Standard Webhooks (https://www.standardwebhooks.com): a receiver knows by it that a
 * message is ours, whole, and of the time that it says.
 */
import { createHmac } from 'node:crypto';

/** Before a secret in base64, as Standard Webhooks writes them; others are taken as they are. */
const BASE64_SECRET = 'whsec_';

const keyOf = (secret: string): Buffer =>
  secret.startsWith(BASE64_SECRET)
    ? Buffer.from(secret.slice(BASE64_SECRET.length), 'base64')
    : Buffer.from(secret);

export interface SignedHeaders {
  'webhook-id': string;
  'webhook-timestamp': string;
  'webhook-signature': string;
}

/**
 * @param id the same for every try to deliver one message.
 * @param at milliseconds since 1970.
 */
export function signedHeaders(
  secret: string,
  { id, at, body }: { id: string; at: number; body: string },
): SignedHeaders {
  const timestamp = String(Math.floor(at / 1000));
  const signature = createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.${body}`);
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature.digest('base64')}`,
  };
}
