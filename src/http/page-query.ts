/**
 * What lists of jobs have in common.
 */
import { z } from 'zod';
import type { JobQuery } from '../jobs/ports.js';
import { jobStatus } from './job-document.js';
import { clientReference } from './schemas/stemify.js';

/** The state of a job changes under its URL. */
export const UNCACHED = { 'Cache-Control': 'no-store' };

export const pageQuery = z.object({
  status: jobStatus.optional().meta({
    description: 'Lists jobs of this status only.',
    examples: ['completed'],
  }),
  client_reference: clientReference.optional().meta({
    description: 'Lists jobs with this client_reference only.',
    examples: ['order-66'],
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

export const jobQuery = ({
  client_reference: reference,
  ...query
}: z.output<typeof pageQuery>): JobQuery => ({ ...query, clientReference: reference });
