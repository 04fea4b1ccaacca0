/**
 * Documents of the API. Each member is defined once: its schema, and how it is made from a record.
 * Records have camelCase names and times in milliseconds; documents have snake_case names and times
 * in ISO 8601.
 */
import { z } from 'zod';

/** Something that is sent: what it looks like, and how it is made from a `Source`. */
export interface Encoding<Source, Schema extends z.ZodType = z.ZodType> {
  schema: Schema;
  encode: (source: Source) => z.output<Schema>;
}

export const member = <Source, Schema extends z.ZodType>(
  schema: Schema,
  encode: (source: Source) => z.output<Schema>,
): Encoding<Source, Schema> => ({ schema, encode });

/** @param read gives milliseconds since 1970. */
export const time = <Source>(description: string, read: (source: Source) => number) =>
  member(z.iso.datetime().meta({ description }), (source: Source) => isoTime(read(source)));

/** As {@link time}, for what may not have happened. */
export const timeOrNull = <Source>(description: string, read: (source: Source) => number | null) =>
  member(z.iso.datetime().nullable().meta({ description }), (source: Source) => {
    const milliseconds = read(source);
    return milliseconds === null ? null : isoTime(milliseconds);
  });

type SnakeCase<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${SnakeCase<Rest>}`
  : '';

type Members<Shape extends Record<string, z.ZodType>> = {
  [Name in keyof Shape & string as SnakeCase<Name>]: Encoding<
    Record<Name, z.output<Shape[Name]>>,
    Shape[Name]
  >;
};

/** Members that are the fields of a record by their snake_case names. */
export function membersOf<Shape extends Record<string, z.ZodType>>(
  record: z.ZodObject<Shape>,
): Members<Shape> {
  return Object.fromEntries(
    Object.entries(record.shape).map(([name, schema]) => [
      name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      member(schema, (source: Record<string, unknown>) => source[name]),
    ]),
  ) as unknown as Members<Shape>;
}

/**
 * A document with these members: `documentOf<Source>()('Name', { ... })`.
 *
 * @param id its name among the schemas of the OpenAPI document.
 */
export function documentOf<Source>() {
  return <All extends Record<string, Encoding<Source>>>(
    id: string,
    members: All,
  ): Encoding<Source, z.ZodObject<{ [Name in keyof All]: All[Name]['schema'] }>> => {
    const all = Object.entries(members);
    const shape = Object.fromEntries(all.map(([name, { schema }]) => [name, schema]));
    const schema = z.object(shape as { [Name in keyof All]: All[Name]['schema'] }).meta({ id });
    return {
      schema,
      encode: (source) =>
        Object.fromEntries(all.map(([name, { encode }]) => [name, encode(source)])) as z.output<
          typeof schema
        >,
    };
  };
}

const isoTime = (milliseconds: number): string => new Date(milliseconds).toISOString();
