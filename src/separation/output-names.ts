/**
 * Where stems are written: a template filled with names from outside, that cannot lead out of the
 * model's folder.
 */
import path from 'node:path';
import { OxboardError } from '../errors.js';
import { pathPart, portablePart, withoutExtension } from '../lib/file-names.js';

const PLACEHOLDERS = ['track', 'stem', 'ext', 'model'] as const;

export interface Names extends Record<(typeof PLACEHOLDERS)[number], string> {
  /** Folders between that of the model and what the template names, between slashes. */
  folder?: string | undefined;
}

/** What common file systems allow for one part of a path. */
const LONGEST_NAME_BYTES = 255;

/**
 * Checks a template before any work is done.
 *
 * @throws OxboardError INVALID_OPTION
 */
export function checkTemplate(template: string, stemCount: number): void {
  const refuse = (reason: string): never => {
    throw new OxboardError('INVALID_OPTION', `The filename template "${template}" ${reason}`);
  };
  for (const [, name = ''] of template.matchAll(/\{([^{}]*)\}/g)) {
    if (!(PLACEHOLDERS as readonly string[]).includes(name)) {
      refuse(
        `has an unknown {${name}}. Known: ${PLACEHOLDERS.map((known) => `{${known}}`).join(', ')}`,
      );
    }
  }
  const parts = template.split('/');
  if (path.isAbsolute(template) || parts.includes('..') || template.includes('\0')) {
    refuse('must stay within the output folder');
  }
  if (parts.at(-1) === '' || parts.at(-1) === '.') refuse('must end in a file name');
  if (stemCount > 1 && !template.includes('{stem}')) {
    refuse('needs {stem}, or all stems would be the same file');
  }
}

/**
 * The path of a stem below the output folder.
 *
 * @param portable whether the file system has fewer characters than Unix; see portablePart.
 */
export function stemPath(template: string, names: Names, portable = false): string {
  const filled = template.replaceAll(
    /\{(track|stem|ext|model)\}/g,
    (_, name: (typeof PLACEHOLDERS)[number]) => pathPart(names[name]),
  );
  const parts = `${names.folder ?? ''}/${filled}`
    .split('/')
    .filter((part) => part !== '' && part !== '.');
  return path.join(
    folderName(names.model),
    ...parts.map((part, index) =>
      shorten(
        portable ? portablePart(part) : part === '..' ? '_' : part,
        index === parts.length - 1 ? path.extname(part) : '',
      ),
    ),
  );
}

/** The name of a song's record in its folder, or beside its stems where songs share a folder. */
export function recordTemplate(template: string): string {
  const folder = path.dirname(template);
  const name = folder.includes('{track}') ? '.oxboard.json' : '.{track}.oxboard.json';
  return `${folder}/${name}`;
}

/** The folder of a model below the output folder. */
export function folderName(model: string): string {
  const name = shorten(pathPart(model), '');
  return name === '' ? '_' : name;
}

/** The name of a track: its file's name without the extension. */
export function trackName(input: string): string {
  return withoutExtension(path.basename(input)) || '_';
}

/** What two paths have in common that are one file where neither case nor the form of accents counts. */
export const sameFileKey = (file: string): string => file.normalize('NFC').toLowerCase();

function shorten(name: string, extension: string): string {
  if (Buffer.byteLength(name) <= LONGEST_NAME_BYTES) return name;
  const room = LONGEST_NAME_BYTES - Buffer.byteLength(extension);
  const stem = Buffer.from(name.slice(0, name.length - extension.length)).subarray(0, room);
  // A cut through a character leaves a replacement character at the end.
  return stem.toString('utf8').replace(/\uFFFD+$/, '') + extension;
}
