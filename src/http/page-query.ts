/**
 * What lists of jobs have in common.
 */
import { z } from 'zod';
import { jobStatus } from './job-document.js';

/** The state of a job changes under its URL. */
export const UNCACHED = { 'Cache-Control': 'no-store' };

export const pageQuery = z.object({
  status: jobStatus.optional().meta({
    description: 'Lists jobs of this status only.',
    examples: ['completed'],
  }),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(100)
    .default(20)
    .meta({ description: 'Greatest number of jobs in the answer.', examples: [20] }),
  cursor: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .meta({ description: 'The next_cursor of the page before.' }),
});
