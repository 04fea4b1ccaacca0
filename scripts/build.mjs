/** `npm run build`: dist/ from src/, without the rest of set-up. */
import { buildPage } from './setup/page.mjs';
import { createReport, main } from './setup/report.mjs';
import { buildTypeScript } from './setup/typescript.mjs';

await main(async () => {
  const report = createReport();
  await report.step('TypeScript', buildTypeScript);
  await report.step('page', buildPage);
});
