/**
 * Licenses in words, for terminals and for the page.
 */
import { UNKNOWN_LICENSE, type License } from './license.js';

const GRANTS: Record<License['grant'], string> = {
  stated: 'stated for the weights',
  none: 'no grant for the weights',
  unclear: 'unclear',
};

/** For a column: `MIT, stated`, `MIT, unclear`, `none stated`. */
export const licenseWords = ({ name, grant }: License): string =>
  grant === 'none' || name === UNKNOWN_LICENSE.name ? name : `${name}, ${grant}`;

/** In a few words, such as `MIT (stated for the weights)`. */
export const licenseLine = ({ name, grant }: License): string => `${name} (${GRANTS[grant]})`;

/** With source and date. */
export const licenseText = (license: License): string => {
  const { source, checked } = license;
  return `${licenseLine(license)}. Source: ${source}${checked === null ? '' : `, checked ${checked}`}`;
};
