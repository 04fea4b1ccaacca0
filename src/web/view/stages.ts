import type { Job } from '../../client/index.js';

const TEXTS: Record<Job['stage'], string> = {
  waiting: 'Waiting',
  downloading: 'Fetching the song',
  loading: 'Loading the model',
  decoding: 'Reading the song',
  separating: 'Separating',
  encoding: 'Writing the files',
  storing: 'Saving the files',
  done: 'Done',
};

/** What is done at a stage of a job. */
export const stageText = (stage: Job['stage']): string => TEXTS[stage];
