/**
 * The package's own scripts, which set-up runs before there is any compiled code. They come from
 * beside the compiled code as well as from beside the sources.
 */
import { existsSync } from 'node:fs';
import { OxboardError, type ErrorCode } from '../errors.js';

const folder = new URL('../../scripts/', import.meta.url);

interface SetupScript {
  setup: (options: { cuda: boolean }) => Promise<unknown>;
}
interface PythonScript {
  runPython: (args: readonly string[], options: { forExport: boolean }) => Promise<number>;
}

export async function importSetup(): Promise<SetupScript> {
  return (await import(new URL('setup/index.mjs', folder).href)) as SetupScript;
}

/** @throws OxboardError MODEL_EXPORT_FAILED in container images, which have no exporter. */
export async function importPython(): Promise<PythonScript> {
  const script = new URL('python.mjs', folder);
  if (!existsSync(script)) {
    throw new OxboardError(
      'MODEL_EXPORT_FAILED',
      'This installation has no exporter (container images leave it out). Run "npx oxboard models ' +
        'export" on another machine, and copy the model into the models folder here',
    );
  }
  return (await import(script.href)) as PythonScript;
}

interface PlatformScript {
  /** Refuses with an error what cannot work; returns a warning for what nobody has tried. */
  checkPlatform: () => string | undefined;
}
interface LibtorchScript {
  pinned: string;
  locate: () => { folder: string; version: string } | undefined;
}

export async function importPlatform(): Promise<PlatformScript> {
  return (await import(new URL('setup/platform.mjs', folder).href)) as PlatformScript;
}

export async function importLibtorch(): Promise<LibtorchScript> {
  return (await import(new URL('setup/libtorch.mjs', folder).href)) as LibtorchScript;
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
