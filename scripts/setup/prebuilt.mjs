import { has } from './run.mjs';

const TRY = 'require(process.argv[1])';

/** The prebuilt addon of an installed package if it loads here; tells why one that is there does not serve. */
export async function prebuiltAddon(report) {
  const { findPrebuilt } = await import('../../dist/lib/prebuilt.js');
  const found = findPrebuilt();
  if (!found) return undefined;
  if (found.file && has(process.execPath, '--eval', TRY, found.file)) return found.file;
  report.line(
    `warning: ${found.reason ?? `${found.file} does not load here`}: it is built instead`,
  );
  return undefined;
}
