/**
 * From command-line flags to the options of options.ts.
 */
import { Option } from 'commander';
import type { z } from 'zod';
import {
  describeOption,
  InvalidOptionError,
  optionFromText,
  resolveOptions,
  separatedName,
  type OptionDescription,
} from '../options.js';

/**
 * The flag of an option, with its name, help and type from options.ts.
 *
 * @param value what stands for the value in the help text; booleans have none.
 */
export function flagOf(
  schema: z.ZodObject,
  name: string,
  value?: string,
  { short, repeatable = false }: { short?: string; repeatable?: boolean } = {},
): Option {
  const option = describeOption(schema, name);
  const long = `--${separatedName(name, '-')}`;
  const flags = value === undefined ? long : `${long} <${value}>`;
  const flag = new Option(short ? `${short}, ${flags}` : flags, helpOf(option));
  if (value === undefined) return flag;
  return flag.argParser((text, earlier: unknown) => {
    const lower = text.toLowerCase();
    const given = option.choices.includes(lower) ? lower : optionFromText(option, text);
    return repeatable && earlier !== undefined ? [earlier, given].flat() : given;
  });
}

function helpOf(option: OptionDescription): string {
  const { description, words, choices, isNumber, isBoolean, defaultValue } = option;
  const facts: string[] = [];
  if (isNumber || choices.length > 0) facts.push(words);
  if (defaultValue !== undefined && !isBoolean) facts.push(`default: ${String(defaultValue)}`);
  const text = description.charAt(0).toLowerCase() + description.slice(1);
  return facts.length === 0 ? text : `${text} (${facts.join('; ')})`;
}

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
  return error.named(`--${separatedName(error.option, '-')}`);
}
