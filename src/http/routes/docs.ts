/**
 * The OpenAPI document, and a page that shows it with files of our own only.
 */
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { defineRoute, json } from '../route.js';
import { docsHeaders } from '../browser-headers.js';

/** The build copies them there; the same folder for this module in src and in dist. */
const FOLDER = fileURLToPath(new URL('../../../dist/swagger-ui', import.meta.url));
const START_FILE = 'start.js';
const FILES = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png', START_FILE] as const;

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
    <script src="docs/${START_FILE}"></script>
  </body>
</html>
`;

// Without "validatorUrl: null" the page would send our document to swagger.io.
const START = `SwaggerUIBundle({ url: 'openapi.json', dom_id: '#swagger-ui', validatorUrl: null });
`;

const getDocument = defineRoute({
  method: 'get',
  url: '/openapi.json',
  access: 'anyone',
  tag: 'Service',
  operationId: 'document',
  summary: 'Get this OpenAPI document.',
  responses: {
    '200': json(z.record(z.string(), z.unknown()), 'The document, by OpenAPI 3.1.', {
      openapi: '3.1.1',
      info: { title: 'OX Board Demucs', version: '0.1.0' },
      paths: {},
    }),
  },
  errors: [],
  handler:
    ({ document }) =>
    ({ response, context: { base } }) => {
      response.json(base === '' ? document : { ...document, servers: [{ url: base }] });
    },
});

const showDocs = defineRoute({
  method: 'get',
  url: '/docs',
  access: 'anyone',
  tag: 'Service',
  operationId: 'docs',
  summary: 'Read this document as a page.',
  responses: {
    '200': {
      description: 'The page.',
      content: { 'text/html': { schema: { type: 'string' }, example: PAGE } },
    },
    '308': { description: 'The path has a slash at its end: the page is at the path without it.' },
  },
  errors: [],
  middleware: () => [docsHeaders()],
  handler:
    () =>
    ({ request, response }) => {
      // The page names its files relative to a path without the slash.
      if (request.path.endsWith('/')) response.redirect(308, '../docs');
      else response.type('html').send(PAGE);
    },
});

const getDocsFile = defineRoute({
  method: 'get',
  url: '/docs/:file',
  access: 'anyone',
  tag: 'Service',
  operationId: 'docsFile',
  summary: 'Get a file of the page.',
  undocumented: true,
  path: z.object({ file: z.enum(FILES) }),
  responses: { '200': { description: 'The file.' } },
  errors: [],
  handler:
    () =>
    async ({ response, path: { file } }) => {
      if (file === START_FILE) {
        response.type('js').send(START);
        return;
      }
      await new Promise<void>((resolve, reject) => {
        response.sendFile(file, { root: FOLDER, maxAge: '1h' }, (error?: Error) => {
          if (error && !response.headersSent) reject(error);
          else resolve();
        });
      });
    },
});

export const docsRoutes = [getDocument, showDocs, getDocsFile];
