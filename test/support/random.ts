/**
 * Random numbers and random damage that are the same in every run.
 */

export { randomNumbers } from '../../src/lib/random.js';

export const pick = <T>(random: () => number, values: readonly T[]): T =>
  values[Math.floor(random() * values.length)]!;

/** Values that JSON can hold and that no honest file or request does. */
export const HOSTILE_JSON: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  0.5,
  1e308,
  -1e308,
  2 ** 53,
  5e-324,
  '',
  '..',
  '../../etc/passwd',
  '/',
  '-rf',
  'a\0b',
  'a\nb',
  '\ud800',
  '__proto__',
  'x'.repeat(10_000),
  [],
  [[]],
  [null],
  {},
  { length: 4 },
  { __proto__: null, toString: 1 },
];

/**
 * Changes one random place of a JSON value: a value replaced or removed, a key added or renamed, an
 * array shortened or lengthened.
 */
export function mutate(random: () => number, value: unknown): unknown {
  if (value === null || typeof value !== 'object' || random() < 0.15) {
    return pick(random, HOSTILE_JSON);
  }
  if (Array.isArray(value)) {
    const copy: unknown[] = [...(value as unknown[])];
    const at = Math.floor(random() * (copy.length + 1));
    if (random() < 0.6 && at < copy.length) copy[at] = mutate(random, copy[at]);
    else if (random() < 0.5) copy.splice(at, 1);
    else copy.splice(at, 0, pick(random, [...HOSTILE_JSON, ...copy]));
    return copy;
  }
  const entries = Object.entries(value);
  const at = Math.floor(random() * entries.length);
  const entry = entries[at];
  if (!entry || random() < 0.1) {
    const name = pick(random, ['__proto__', 'constructor', 'toString', '', 'x']);
    entries.push([name, pick(random, HOSTILE_JSON)]);
  } else if (random() < 0.8) entries[at] = [entry[0], mutate(random, entry[1])];
  else entries.splice(at, 1);
  return Object.fromEntries(entries);
}
