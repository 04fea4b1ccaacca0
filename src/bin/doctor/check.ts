/**
 * What a check of `oxboard doctor` finds.
 */
export interface Check {
  name: string;
  /** A `note` is about something that separating can do without. */
  status: 'ok' | 'note' | 'problem';
  text: string;
  /** What mends it. */
  mend?: string;
}

export const ok = (name: string, text: string): Check => ({ name, status: 'ok', text });

export const note = (name: string, text: string, mend?: string): Check => ({
  name,
  status: 'note',
  text,
  ...(mend === undefined ? {} : { mend }),
});

export const problem = (name: string, text: string, mend: string): Check => ({
  name,
  status: 'problem',
  text,
  mend,
});

/** A problem that an error describes. */
export const failed = (name: string, error: unknown, mend: string): Check =>
  problem(name, error instanceof Error ? error.message : String(error), mend);
