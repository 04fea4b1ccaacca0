/**
 * Jobs as the operator sees them: whose they are and how far, without the way to their audio.
 */
import { z } from 'zod';
import type { Job } from '../jobs/job.js';
import { jobFacts } from './job-document.js';
import { completedJob } from './job-examples.js';
import { documentOf, member } from './document-schema.js';

const document = documentOf<Job>()('AdminJob', {
  ...jobFacts,
  tenant: member(
    z.string().meta({
      description: 'Whose job it is: the name that logs have for an API key, or "default".',
    }),
    ({ tenant }: Job) => tenant,
  ),
});

export const adminJob = document.schema;
export type AdminJob = z.output<typeof adminJob>;
export const encodeAdminJob = document.encode;

const {
  options: _options,
  events_url: _eventsUrl,
  ws_url: _wsUrl,
  webhook: _webhook,
  result: _result,
  playback: _playback,
  ...facts
} = completedJob;
export const adminJobExample: AdminJob = { ...facts, tenant: 'default' };
