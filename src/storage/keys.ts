/**
 * Names of objects. They are made by us, so a key that could mean another place is a defect.
 */
import { OxboardError } from '../errors.js';

/** No name begins with a dot: neither `..` nor what the adapters keep for themselves is a key. */
const NAME = '[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}';
const KEY = new RegExp(`^${NAME}(/${NAME}){0,9}$`);
const PREFIX = new RegExp(`^(${NAME}/){0,9}(${NAME})?$`);

/** Whether a name in the storage is one of ours. */
export const isKey = (name: string): boolean => KEY.test(name);

/** @throws OxboardError INTERNAL */
export function checkKey(key: string): void {
  if (!KEY.test(key)) throw unsafe(key);
}

/** Checks the beginning of a key; it may end within a name or with a slash. */
export function checkPrefix(prefix: string): void {
  if (!PREFIX.test(prefix)) throw unsafe(prefix);
}

const unsafe = (key: string): OxboardError =>
  new OxboardError('INTERNAL', `${JSON.stringify(key)} is not a key of the storage`);
