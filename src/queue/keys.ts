/**
 * Names of keys in Redis.
 */

/** Of all that the queue keeps in Redis. Grows with each change that older code cannot read, or newer. */
export const SCHEMA_VERSION = 3;

/** Of every key of this version. */
export const PREFIX = `oxboard:${String(SCHEMA_VERSION)}:`;

/** Holds the version of the data there is; the only key that all versions share. */
export const SCHEMA_KEY = 'oxboard:schema';
