/**
 * Routes that know their methods, and what a request has to show: another method is answered with 405
 * and what is allowed.
 */
import type { RequestHandler, Router } from 'express';
import { OxboardError } from '../errors.js';
import type { Access } from './access.js';
import { contextOf } from './context.js';

export const API_BASE = '/api/v1';

export type Method = 'get' | 'post' | 'delete';

/** @param path below {@link API_BASE}, with its parameters as `:name`. */
export function serve(
  router: Router,
  path: string,
  access: Access,
  handlers: Partial<Record<Method, RequestHandler | RequestHandler[]>>,
): void {
  const methods = Object.keys(handlers).map((method) => method.toUpperCase());
  const allowed = [...methods, ...(handlers.get ? ['HEAD'] : []), 'OPTIONS'].join(', ');
  const route = router.route(path);
  route.all(async (request, _response, next) => {
    const context = contextOf(request);
    context.route = `${API_BASE}${path}`;
    // Browsers ask for permission without credentials.
    if (request.method !== 'OPTIONS') await context.authorise(access);
    next();
  });
  for (const [method, handler] of Object.entries(handlers)) route[method as Method](handler);
  route.all((request, response) => {
    response.setHeader('Allow', allowed);
    if (request.method === 'OPTIONS') {
      response.status(204).end();
      return;
    }
    throw new OxboardError(
      'METHOD_NOT_ALLOWED',
      `${request.method} is not possible here. Allowed: ${allowed}`,
    );
  });
}
