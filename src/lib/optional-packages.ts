/**
 * Packages that only some settings need: the optional peers in package.json.
 */
import { OxboardError } from '../errors.js';
import { packageManifest } from './package-manifest.js';

/**
 * Imports a module that needs the optional packages of a scope.
 *
 * @param scope of the packages, such as `@aws-sdk`.
 * @param purpose what needs them, for the message.
 * @throws OxboardError PACKAGE_MISSING, with the command that installs them.
 */
export async function importWithPackages<T>(
  scope: string,
  purpose: string,
  load: () => Promise<T>,
): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    if (!isMissing(cause, scope)) throw cause;
    const packages = Object.entries(packageManifest.peerDependencies)
      .filter(([name]) => name.startsWith(`${scope}/`))
      .map(([name, versions]) => `${name}@${versions}`);
    throw new OxboardError(
      'PACKAGE_MISSING',
      `${purpose} needs packages that are not installed. Install them with: ` +
        `npm install ${packages.join(' ')}`,
      { cause },
    );
  }
}

function isMissing(error: unknown, scope: string): boolean {
  if (!(error instanceof Error)) return false;
  return (
    'code' in error && error.code === 'ERR_MODULE_NOT_FOUND' && error.message.includes(`'${scope}/`)
  );
}
