/**
 * Licenses in words, for terminals and for the page.
 */
import type { License } from './license.js';

const GRANTS: Record<License['grant'], string> = {
  stated: 'stated for the weights',
  none: 'no grant for the weights',
  unclear: 'unclear',
};

/** In a few words, such as `MIT (stated for the weights)`. */
export const licenseLine = ({ name, grant }: License): string => `${name} (${GRANTS[grant]})`;

/** With source and date. */
export const licenseText = (license: License): string => {
  const { source, checked } = license;
  return `${licenseLine(license)}. Source: ${source}${checked === null ? '' : `, checked ${checked}`}`;
};
