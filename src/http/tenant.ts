/**
 * Whose jobs a request may see: resolved here and nowhere else. Without API keys there is one tenant.
 */
const ONLY_TENANT = 'default';

export const resolveTenant = (): string => ONLY_TENANT;
