/**
 * Builds the page to dist/web, and serves it with reload against a running service (OXBOARD_URL,
 * default http://127.0.0.1:8000).
 */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const folder = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const service = process.env.OXBOARD_URL ?? 'http://127.0.0.1:8000';

export default defineConfig({
  root: folder('.'),
  // Relative URLs: the service may be under any path.
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: folder('../../dist/web'),
    emptyOutDir: true,
    target: 'es2022',
    // An inlined file would need a content security policy with data: URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: {
      '/api': {
        target: service,
        changeOrigin: true,
        // The service refuses changes that pages of another origin ask for.
        headers: { origin: new URL(service).origin },
      },
    },
  },
});
