import { packageManifest } from './package-manifest.js';

/** Version of this package, as package.json has it. */
export const packageVersion = packageManifest.version;
