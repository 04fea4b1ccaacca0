/**
 * Whether a process can do its work, and what it lacks when it cannot.
 */
import { within } from '../lib/timeout.js';

/** Something that the process cannot work without. */
export interface Dependency {
  /** As an operator calls it: `redis`, `storage`, `workers`. */
  name: string;
  /** Resolves when it is there; what it throws tells what is wrong. */
  check: () => Promise<unknown>;
}

export interface Missing {
  name: string;
  code: string;
  message: string;
}

const CHECK_TIMEOUT_MS = 2_000;

/** Checks all at once. @returns those that are not there; empty: ready. */
export async function findMissing(dependencies: readonly Dependency[]): Promise<Missing[]> {
  const findings = await Promise.all(dependencies.map(examine));
  return findings.filter((missing) => missing !== undefined);
}

async function examine({ name, check }: Dependency): Promise<Missing | undefined> {
  try {
    await within(CHECK_TIMEOUT_MS, check());
    return undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'INTERNAL';
    return { name, code, message };
  }
}
