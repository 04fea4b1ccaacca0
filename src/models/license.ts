/**
 * What is known of the license of a model's weights.
 */
import { z } from 'zod';

export const licenseFacts = z.object({
  name: z.string().meta({ description: 'Name of the license.' }),
  grant: z.enum(['stated', 'none', 'unclear']).meta({
    description:
      'stated: the publisher states it for the weights. none: nobody states one. unclear: nothing is known for certain.',
  }),
  source: z.string().meta({ description: 'Where that was read.' }),
  checked: z.string().nullable().meta({ description: 'Date of that, as YYYY-MM-DD.' }),
});

export type License = Readonly<z.output<typeof licenseFacts>>;

/** In a model.json a name alone may stand: it is a claim of whoever wrote that file. */
export const licenseSchema = z.union([
  licenseFacts,
  z.string().transform((name): License => ({
    name,
    grant: 'unclear',
    source: 'its model.json',
    checked: null,
  })),
]);

/** Of weights that nothing is known of. */
export const UNKNOWN_LICENSE: License = {
  name: 'unknown',
  grant: 'unclear',
  source: 'nothing was found',
  checked: null,
};
