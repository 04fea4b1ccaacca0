/** What the clients were told, and when: the checker compares it with what ended. */

export const FINAL = ['completed', 'failed', 'cancelled'] as const;
export const isFinal = (status: string): boolean => (FINAL as readonly string[]).includes(status);

/** A state of a job that a client was told. Times are milliseconds since 1970. */
export interface Told {
  at: number;
  status: string;
  progress: number;
}

/** A job that a client got a 202 for. */
export interface KnownJob {
  id: string;
  recipe: string;
  admittedAt: number;
  /** From the stream of events, in order. */
  events: Told[];
  /** From GET /jobs/:id. */
  states: Told[];
  /** When a DELETE was first sent, and when it was answered. */
  deleteSentAt?: number;
  deletedAt?: number;
  /** What the same Idempotency-Key gave later, if it was sent again: ids and when. */
  replays: { id: string; at: number }[];
}

/** A time of which Redis has lost everything. */
export interface Loss {
  from: number;
  to: number;
}

export interface History {
  jobs: KnownJob[];
  losses: Loss[];
  /** Answers that no fault excuses, as sentences. */
  wrongAnswers: string[];
}

export const emptyHistory = (): History => ({ jobs: [], losses: [], wrongAnswers: [] });
