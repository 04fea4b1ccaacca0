/**
 * What a request has to show before a route answers it.
 */
import type { Request } from 'express';
import type { Tenants } from './tenant.js';

/**
 * `key`: an API key. `token`: the same, or the token of the job that the path names, to read.
 * `anyone`: nothing.
 */
export type Access = 'key' | 'token' | 'anyone';

/**
 * @returns the tenant as whom the request is answered; undefined when nobody in particular.
 * @throws OxboardError API_KEY_REQUIRED, API_KEY_INVALID, TOKEN_INVALID
 */
export async function authorise(
  request: Request,
  access: Access,
  tenants: Tenants,
): Promise<string | undefined> {
  if (access === 'anyone') return undefined;
  const { authorization } = request.headers;
  const { token } = request.query;
  const reads = request.method === 'GET' || request.method === 'HEAD';
  // Other schemes are not ours: browsers send what a proxy in front of us asks for.
  const hasKey = authorization !== undefined && /^Bearer\b/i.test(authorization);
  if (tenants.keyed && access === 'token' && reads && token !== undefined && !hasKey) {
    return tenants.ofToken(token, request.params.id);
  }
  return tenants.ofHeader(authorization);
}
