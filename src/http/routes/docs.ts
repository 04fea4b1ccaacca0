import { createRequire } from 'node:module';
import path from 'node:path';
import type { Router } from 'express';
import { OxboardError } from '../../errors.js';
import { serve } from '../routing.js';
import { docsHeaders } from '../security.js';

const FOLDER = path.dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
const FILES = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'];

const PAGE = `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>OX Board Demucs API</title>
    <link rel="icon" type="image/png" href="docs/favicon-32x32.png">
    <link rel="stylesheet" href="docs/swagger-ui.css">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/start.js"></script>
  </body>
</html>
`;

// Without "validatorUrl: null" the page would ask swagger.io about our document.
const START = `SwaggerUIBundle({ url: 'openapi.json', dom_id: '#swagger-ui', validatorUrl: null });
`;

/** The OpenAPI document, and a page that shows it with files of ours only. */
export function docsRoutes(router: Router, { document }: { document: object }): void {
  serve(router, '/openapi.json', 'anyone', {
    get: (_request, response) => {
      response.json(document);
    },
  });

  serve(router, '/docs', 'anyone', {
    get: [
      docsHeaders(),
      (request, response) => {
        // The page names its files relative to a path without the slash.
        if (request.path.endsWith('/')) response.redirect(308, '../docs');
        else response.type('html').send(PAGE);
      },
    ],
  });

  serve(router, '/docs/:file', 'anyone', {
    get: (request, response, next) => {
      const { file } = request.params;
      if (file === 'start.js') {
        response.type('js').send(START);
        return;
      }
      if (typeof file !== 'string' || !FILES.includes(file)) {
        throw new OxboardError('PATH_NOT_FOUND', `There is nothing at ${request.path}`);
      }
      response.sendFile(file, { root: FOLDER, maxAge: '1h' }, (error?: Error) => {
        if (error && !response.headersSent) next(error);
      });
    },
  });
}
