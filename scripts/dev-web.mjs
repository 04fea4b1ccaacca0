/** `npm run dev:web`: the page with reload, against the service at OXBOARD_URL. */
import { viteConfig, viteProgram } from './setup/page.mjs';
import { show } from './checks.mjs';

const ok = show(
  process.execPath,
  [viteProgram(), '--config', viteConfig, ...process.argv.slice(2)],
  { stdio: 'inherit' },
);
process.exitCode = ok ? 0 : 1;
