/**
 * Requests whose answers are held against the service's own OpenAPI document: status, content type and
 * body have to be as it says.
 */
import assert from 'node:assert/strict';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { z } from 'zod';
import { apiDocument } from '../../src/http/openapi.js';
import type { TestApi } from './api.js';

interface Operation {
  responses: Record<string, { content?: Record<string, object> }>;
}
export const document = apiDocument('1.2.3', { keyed: false, admin: true }) as {
  paths: Record<string, Record<string, Operation>>;
};

const ajv = new Ajv2020({ strict: false, allErrors: true });
formats.default(ajv);
ajv.addSchema(document, 'document');

/** What the document calls the path, and the operation. */
function operationOf(method: string, path: string): [string, Operation] | undefined {
  for (const [pattern, operations] of Object.entries(document.paths)) {
    const expression = new RegExp(`^${pattern.replaceAll(/\{\w+\}/g, '[^/]+')}/?$`);
    const operation = operations[method.toLowerCase()];
    if (expression.test(path) && operation) return [pattern, operation];
  }
  return undefined;
}

export interface Answer {
  status: number;
  headers: Headers;
  bytes: Buffer;
  /** Parsed, when it is JSON. */
  body: unknown;
  /** The body as a schema says it is. */
  as: <T>(schema: z.ZodType<T>) => T;
}

/** Calls the service below /api/v1, and asserts that the answer is one that the document knows. */
export async function call(
  { url }: TestApi,
  path: string,
  init: RequestInit & { method?: string } = {},
): Promise<Answer> {
  const response = await fetch(`${url}/api/v1${path}`, { redirect: 'manual', ...init });
  const bytes = Buffer.from(await response.arrayBuffer());
  const type = response.headers.get('content-type') ?? '';
  const isJson = /^application\/(problem\+)?json\b/.test(type);
  const body: unknown = isJson && bytes.length > 0 ? JSON.parse(bytes.toString()) : undefined;
  assertDocumented(init.method ?? 'GET', `/api/v1${path}`, response.status, type, body);
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    body,
    as: (schema) => schema.parse(body),
  };
}

export function assertDocumented(
  method: string,
  target: string,
  status: number,
  type: string,
  body: unknown,
): void {
  const path = target.replace(/\?.*$/s, '');
  const found = operationOf(method, path);
  if (!found) return;
  const [pattern, operation] = found;
  const where = `${method} ${pattern} ${String(status)}`;
  const response = operation.responses[String(status)];
  assert.ok(response, `${where} is not documented`);
  if (!response.content) return;
  const media = type.replace(/;.*$/, '');
  assert.ok(Object.hasOwn(response.content, media), `${where} as ${media} is not documented`);
  if (body === undefined) return;
  assertFits(
    ['paths', pattern, method.toLowerCase(), 'responses', status, 'content', media, 'schema'],
    body,
  );
}

/** Asserts that a value fits the schema at this place in the document. */
export function assertFits(place: (string | number)[], value: unknown): void {
  const pointer = place
    .map((part) => encodeURIComponent(String(part).replaceAll('~', '~0').replaceAll('/', '~1')))
    .join('/');
  const valid = ajv.validate(`document#/${pointer}`, value);
  assert.ok(valid, `${place.join(' ')}: ${ajv.errorsText()} in ${JSON.stringify(value)}`);
}

/** Asserts that an answer is the problem document of a code. @returns its detail */
export function assertProblem(
  response: { status: number; headers: Headers; body: unknown },
  status: number,
  code: string,
): string {
  const problem = response.body as Record<string, unknown>;
  assert.equal(response.headers.get('content-type'), 'application/problem+json; charset=utf-8');
  assert.equal(problem.code, code, JSON.stringify(problem));
  assert.equal(response.status, status);
  assert.equal(problem.status, status);
  assert.equal(problem.error, problem.detail);
  assert.equal(problem.request_id, response.headers.get('x-request-id'));
  // Nothing of ours: no stack, no path of this machine.
  assert.doesNotMatch(JSON.stringify(problem), /node_modules|\/tmp\/|\\n +at /);
  return String(problem.detail);
}
