/**
 * The environment: every variable of the product, its values and meaning, read here and nowhere
 * else. An empty value counts as unset; a wrong one stops the start.
 */
import { z } from 'zod';
import { OxboardError } from './errors.js';
import { DEVICE_PATTERN } from './options.js';

/** A variable, with the words that an error uses for the values it may have. */
const variable = <T extends z.ZodType>(schema: T, words: string) =>
  schema.optional().meta({ description: words });

const TRUE = ['true', '1', 'yes', 'on'];
const FALSE = ['false', '0', 'no', 'off'];
const flag = z
  .string()
  .toLowerCase()
  .pipe(z.enum([...TRUE, ...FALSE]))
  .transform((value) => TRUE.includes(value));
const integer = (minimum: number, maximum: number) =>
  z.string().regex(/^\d+$/).transform(Number).pipe(z.int().min(minimum).max(maximum));

const environment = z.object({
  DEMUCS_MODELS_PATH: variable(z.string(), 'folder of model archives'),
  DEMUCS_DEFAULT_MODEL: variable(z.string(), 'name of an installed model'),
  DEMUCS_DEVICE: variable(z.string().regex(DEVICE_PATTERN), 'auto, cpu, cuda or cuda:N'),
  DEMUCS_GPU_ENABLED: variable(flag, 'true or false'),
  DEMUCS_THREADS: variable(integer(1, 1024), 'integer from 1 to 1024'),
});

export interface Config {
  modelsDir: string | undefined;
  defaultModel: string | undefined;
  device: string | undefined;
  threads: number | undefined;
}

/** @throws OxboardError INVALID_ENVIRONMENT */
export function readConfig(variables: NodeJS.ProcessEnv): Config {
  const set = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
  const result = environment.safeParse(set);
  if (!result.success) {
    const name = String(result.error.issues[0]?.path[0]) as keyof typeof environment.shape;
    const words = environment.shape[name].meta()?.description ?? 'another value';
    throw new OxboardError(
      'INVALID_ENVIRONMENT',
      `Expected ${words} for the environment variable ${name} but received "${set[name] ?? ''}"`,
    );
  }
  const { data } = result;
  return {
    modelsDir: data.DEMUCS_MODELS_PATH,
    defaultModel: data.DEMUCS_DEFAULT_MODEL,
    // The device says more than the switch for GPUs, and wins over it.
    device: data.DEMUCS_DEVICE ?? (data.DEMUCS_GPU_ENABLED === false ? 'cpu' : undefined),
    threads: data.DEMUCS_THREADS,
  };
}
