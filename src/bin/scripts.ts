/**
 * The package's own scripts, which set-up runs before there is any compiled code. They come from
 * beside the compiled code as well as from beside the sources.
 */
import { OxboardError, type ErrorCode } from '../errors.js';

const folder = new URL('../../scripts/', import.meta.url);

interface SetupScript {
  setup: (options: { cuda: boolean }) => Promise<unknown>;
}
interface PythonScript {
  runPython: (args: readonly string[]) => Promise<number>;
}

export async function importSetup(): Promise<SetupScript> {
  return (await import(new URL('setup/index.mjs', folder).href)) as SetupScript;
}

export async function importPython(): Promise<PythonScript> {
  return (await import(new URL('python.mjs', folder).href)) as PythonScript;
}

/** Runs a script's function; what it says to people becomes an error of ours. */
export async function runScript<T>(code: ErrorCode, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error && error.name === 'SetupError') {
      throw new OxboardError(code, error.message, { cause: error });
    }
    throw error;
  }
}
