/** `npm run build`: dist/ from src/, without the rest of set-up. */
import { createReport, main } from './setup/report.mjs';
import { buildTypeScript } from './setup/typescript.mjs';

await main(() => createReport().step('TypeScript', buildTypeScript));
