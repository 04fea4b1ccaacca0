import type { Model } from '../state/service.js';

export const licenseText = (license: Model['license']): string => license ?? 'none stated';
