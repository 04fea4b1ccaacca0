/**
 * From command-line flags to the options of options.ts.
 */
import type { z } from 'zod';
import { InvalidOptionError, resolveOptions } from '../options.js';

/** A number if it is one; else the text, so that the option's own check refuses it by name. */
export const numeric = (text: string): number | string =>
  text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);

export const list = (text: string): string[] => text.split(',').map((item) => item.trim());

/** Resolves those of `flags` that belong to `schema`. */
export function resolveFlags<T extends z.ZodObject>(
  schema: T,
  flags: Record<string, unknown>,
): z.output<T> {
  const own = Object.entries(flags).filter(
    ([name, value]) => value !== undefined && Object.hasOwn(schema.shape, name),
  );
  return resolveOptions(schema, Object.fromEntries(own));
}

/** The error as someone at a shell should read it: `--bit-depth`, not `bitDepth`. */
export function withFlagName(error: unknown): unknown {
  if (!(error instanceof InvalidOptionError)) return error;
  return error.named(
    `--${error.option.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
  );
}
