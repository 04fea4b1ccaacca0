/**
 * A song from standard input. It is kept in a file: many formats can only be read with seeks, and it
 * is read more than once.
 */
import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { writeError } from '../audio/write-errors.js';
import { OxboardError } from '../errors.js';
import { Workspace } from '../separation/workspace.js';
import { STANDARD_INPUT } from './inputs.js';

/** The name of its stems' folder. */
const TRACK = 'stdin';

/**
 * Checks, before any work, that what the inputs ask of standard input can be had.
 *
 * @throws OxboardError INVALID_OPTION
 */
export function checkStandardInput(inputs: readonly string[]): void {
  const times = inputs.filter((input) => input === STANDARD_INPUT).length;
  if (times > 1) throw new OxboardError('INVALID_OPTION', 'Standard input can be read only once');
  if (times === 1 && process.stdin.isTTY) {
    throw new OxboardError(
      'INVALID_OPTION',
      'Standard input is a terminal. Give it a song, as in: oxboard separate - < song.mp3',
    );
  }
}

/**
 * Reads all of standard input into a file below `folder`, which is on the disk of the output.
 *
 * @returns the file, and what removes it.
 * @throws OxboardError DISK_FULL, OUTPUT_UNWRITABLE; `signal.reason`
 */
export async function readStandardInput(
  folder: string,
  signal: AbortSignal,
): Promise<{ file: string; remove: () => void }> {
  const workspace = await Workspace.create(folder).catch((error: unknown) => {
    throw writeError(error, path.dirname(folder));
  });
  const remove = () => workspace.remove();
  try {
    const file = workspace.path(TRACK);
    await pipeline(process.stdin, createWriteStream(file), { signal });
    return { file, remove };
  } catch (error) {
    remove();
    signal.throwIfAborted();
    throw writeError(error, path.dirname(folder));
  }
}
