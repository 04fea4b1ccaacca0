/**
 * Whose jobs a request may see. With API keys, each key is a tenant; without them there is one tenant.
 * The URLs in a job's document carry a token instead of the key, because browsers cannot set headers
 * on EventSource, WebSocket and `<audio>`.
 *
 * Names and tokens depend on the keys alone, so that all processes of the API agree.
 */
import { createHash, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { Request } from 'express';
import { errors, jwtVerify, SignJWT } from 'jose';
import { OxboardError } from '../errors.js';
import type { Job } from '../jobs/job.js';

/**
 * What a request must show. `key`: an API key. `token`: an API key, or, to read, the token of the job
 * in the path. `admin`: the operator's key; see admin-key.ts. `anyone`: nothing.
 */
export type Access = 'key' | 'token' | 'admin' | 'anyone';

/**
 * @returns the tenant of the request; undefined when access is open to anyone.
 * @throws OxboardError API_KEY_REQUIRED, API_KEY_INVALID, TOKEN_INVALID
 */
export async function tenantOfRequest(
  request: Request,
  access: Exclude<Access, 'admin'>,
  tenants: Tenants,
): Promise<string | undefined> {
  if (access === 'anyone') return undefined;
  const { authorization } = request.headers;
  const { token } = request.query;
  const reads = request.method === 'GET' || request.method === 'HEAD';
  // Browsers send other schemes along for a proxy in front of us.
  const hasKey = authorization !== undefined && /^Bearer\b/i.test(authorization);
  if (tenants.keyed && access === 'token' && reads && token !== undefined && !hasKey) {
    return tenants.ofToken(token, request.params.id);
  }
  return tenants.ofHeader(authorization);
}

/** Makes tokens for the URLs in job documents. */
export interface UrlTokens {
  /**
   * A token to read what belongs to the job: its stems and its events. It stays the same for a while,
   * so that URLs do not change with every request.
   *
   * @returns undefined when none is needed, and when the tenant's key was removed.
   */
  sign(job: Pick<Job, 'id' | 'tenant'>): Promise<string | undefined>;
}

export interface Tenants extends UrlTokens {
  /** Whether requests have to show a key. */
  readonly keyed: boolean;
  /** @throws OxboardError API_KEY_REQUIRED, API_KEY_INVALID */
  ofHeader(authorization: string | undefined): string;
  /** @throws OxboardError TOKEN_INVALID when it is expired, another job's, or not ours. */
  ofToken(token: unknown, jobId: unknown): Promise<string>;
}

interface Tenant {
  name: string;
  keyDigest: Buffer;
  signingKey: Uint8Array;
}

/** The tenant of all jobs while there are no keys. */
const ONLY_TENANT = 'default';

const ALGORITHM = 'HS256';

/** A token is replaced after this part of its life, and both are valid until the first one expires. */
const TOKENS_PER_LIFE = 4;

/** @param tokenTtl longest time in seconds that a token is valid. */
export function createTenants({
  apiKeys,
  tokenTtl,
}: {
  apiKeys: readonly string[];
  tokenTtl: number;
}): Tenants {
  const tenants = apiKeys.map(tenantOf);
  const byName = new Map(tenants.map((tenant) => [tenant.name, tenant]));
  const keyed = tenants.length > 0;

  return {
    keyed,

    ofHeader(authorization) {
      if (!keyed) return ONLY_TENANT;
      if (authorization === undefined) {
        throw new OxboardError(
          'API_KEY_REQUIRED',
          'This service needs an API key, in the header "Authorization: Bearer <key>"',
        );
      }
      const key = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
      const presented = key === undefined ? undefined : digest(key);
      // All keys are compared, each in constant time, so that the time reveals nothing.
      const [found] = tenants.filter(
        ({ keyDigest }) => presented && timingSafeEqual(keyDigest, presented),
      );
      if (found) return found.name;
      throw new OxboardError(
        'API_KEY_INVALID',
        'The Authorization header has no API key of this service. It is "Bearer <key>"',
      );
    },

    async sign({ id, tenant }) {
      const key = byName.get(tenant)?.signingKey;
      if (!key) return undefined;
      const part = tokenTtl / TOKENS_PER_LIFE;
      const now = Date.now() / 1000;
      const end = Math.ceil((Math.floor(now / part) + TOKENS_PER_LIFE) * part);
      return new SignJWT({ sub: id, exp: end })
        .setProtectedHeader({ alg: ALGORITHM, kid: tenant })
        .sign(key);
    },

    async ofToken(token, jobId) {
      if (typeof token !== 'string' || typeof jobId !== 'string') throw invalidToken();
      try {
        const { protectedHeader } = await jwtVerify(
          token,
          ({ kid = '' }) => {
            const tenant = byName.get(kid);
            if (!tenant) throw invalidToken();
            return tenant.signingKey;
          },
          { algorithms: [ALGORITHM], subject: jobId, requiredClaims: ['exp'] },
        );
        return String(protectedHeader.kid);
      } catch (error) {
        if (error instanceof errors.JWTExpired) {
          throw new OxboardError(
            'TOKEN_INVALID',
            'The token of this URL has expired. The document of the job has URLs with a new one',
          );
        }
        throw error instanceof errors.JOSEError ? invalidToken() : error;
      }
    },
  };
}

function tenantOf(apiKey: string): Tenant {
  return {
    // It is in Redis and in tokens; the key cannot be found from it.
    name: digest(`oxboard tenant\n${apiKey}`).toString('hex', 0, 16),
    keyDigest: digest(apiKey),
    signingKey: new Uint8Array(hkdfSync('sha256', apiKey, '', 'oxboard token of a URL', 32)),
  };
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

const invalidToken = (): OxboardError =>
  new OxboardError(
    'TOKEN_INVALID',
    'The token of this URL is not valid for this job. The document of the job has valid URLs',
  );
