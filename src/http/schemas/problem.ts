/**
 * How every error of the service looks (RFC 9457).
 */
import { z } from 'zod';
import { ERROR_CODES } from '../../errors.js';

export const PROBLEM_TYPE = 'application/problem+json';

export const problem = z
  .object({
    type: z.string().meta({ description: 'URI of the kind of problem', format: 'uri' }),
    title: z.string().meta({ description: 'What the code means' }),
    status: z.int().min(400).max(599),
    detail: z.string().meta({ description: 'What is wrong with this request' }),
    instance: z.string().meta({ description: 'Path of the request' }),
    code: z
      .enum(Object.keys(ERROR_CODES) as [keyof typeof ERROR_CODES])
      .meta({ description: 'Stable; what programs should rely on' }),
    request_id: z.string(),
  })
  .meta({ id: 'Problem' });

export type Problem = z.output<typeof problem>;
