/**
 * Documents of the service, whose members have snake_case names, as objects with camelCase names.
 */

type CamelName<Name extends string> = Name extends `${infer First}_${infer Rest}`
  ? `${First}${Capitalize<CamelName<Rest>>}`
  : Name;

/** A document in camelCase. Names of records, such as those of stems, are data and stay. */
export type CamelCase<T> = T extends readonly (infer Item)[]
  ? CamelCase<Item>[]
  : T extends object
    ? string extends keyof T
      ? { [Name in keyof T]: CamelCase<T[Name]> }
      : { [Name in keyof T as CamelName<Name & string>]: CamelCase<T[Name]> }
    : T;

/** Members that are records: their names stay. */
const RECORDS = ['stems'];
/** Members that stay as they are. */
const AS_IS = ['manifest'];

export const camelCase = <T>(document: T): CamelCase<T> => convert(document, false) as CamelCase<T>;

function convert(value: unknown, isRecord: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => convert(item, false));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      isRecord ? name : camelName(name),
      AS_IS.includes(name) ? (member as unknown) : convert(member, RECORDS.includes(name)),
    ]),
  );
}

const camelName = (name: string): string =>
  name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** `two_stems` for `twoStems`. */
export const snakeName = (name: string): string =>
  name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
