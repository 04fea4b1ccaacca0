/**
 * Whose jobs a request may see. With API keys each key is a tenant of its own; without them there is
 * one. A URL that a job's document names carries a token instead of the key, since browsers can set no
 * header on EventSource, WebSocket and `<audio>`.
 *
 * All is made of the keys alone, so that every process of the API knows the same without asking.
 */
import { createHash, hkdfSync, timingSafeEqual } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { OxboardError } from '../errors.js';
import type { Job } from '../jobs/job.js';

/** Makes tokens for the URLs in job documents. */
export interface UrlTokens {
  /**
   * A token to read what belongs to the job: its stems and its events. It is the same one for a while,
   * so that URLs do not change with every look at the job.
   *
   * @returns undefined when none is needed, or the key of the tenant is no more.
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

/** The name under which jobs are kept while there are no keys. */
const ONLY_TENANT = 'default';

const ALGORITHM = 'HS256';

/** Parts of a token's life: it ends with one of them, and the next token begins there. */
const PARTS_OF_LIFE = 4;

/** @param tokenTtl seconds that a token is valid, less a part of them. */
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
      // All are compared, each in constant time: how long it takes tells nothing of the keys.
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
      const part = tokenTtl / PARTS_OF_LIFE;
      const now = Date.now() / 1000;
      const end = Math.ceil((Math.floor(now / part) + PARTS_OF_LIFE) * part);
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
    // In Redis and in tokens; nobody gets from here to the key.
    name: digest(`oxboard tenant\n${apiKey}`).toString('hex', 0, 16),
    keyDigest: digest(apiKey),
    signingKey: new Uint8Array(hkdfSync('sha256', apiKey, '', 'oxboard token of a URL', 32)),
  };
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

const invalidToken = (): OxboardError =>
  new OxboardError(
    'TOKEN_INVALID',
    'The token of this URL is not one for this job. The document of the job has its URLs',
  );
