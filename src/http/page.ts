/**
 * The page at the root of the service: files that Vite has built from src/web.
 */
import { fileURLToPath } from 'node:url';
import express, { Router } from 'express';
import { pageHeaders } from './browser-headers.js';

/** The same folder for this module in src and in dist. */
const FOLDER = fileURLToPath(new URL('../../dist/web', import.meta.url));

/** Answers what is a file of the page, and passes on every other request. */
export function servePage(): Router {
  const router = Router({ strict: true });
  router.get('/', ({ originalUrl }, response, next) => {
    const { pathname } = new URL(originalUrl, 'http://localhost');
    // The page names its files relative to a path with a slash at its end.
    if (pathname.endsWith('/')) next();
    else response.redirect(308, `${pathname.slice(pathname.lastIndexOf('/') + 1)}/`);
  });
  router.use(
    pageHeaders(),
    express.static(FOLDER, {
      redirect: false,
      setHeaders(response, file) {
        // Names of assets contain a hash of their bytes; index.html names the current ones.
        const named = file.includes('/assets/');
        response.set('Cache-Control', named ? 'public, max-age=31536000, immutable' : 'no-cache');
      },
    }),
  );
  return router;
}
