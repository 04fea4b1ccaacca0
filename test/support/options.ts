/**
 * The options of a job that asks for nothing in particular.
 */
import { jobOptions, resolveOptions } from '../../src/options.js';

export const DEFAULT_JOB_OPTIONS = resolveOptions(jobOptions, {});
