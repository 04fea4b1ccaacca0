/**
 * What somebody wants to be made of the songs: chosen once, and kept for the next visit.
 */
import { effect, signal } from '@preact/signals';

export const FORMATS = ['wav', 'flac', 'mp3', 'opus', 'm4a'] as const;
export type Format = (typeof FORMATS)[number];

export interface Choice {
  /** Undefined for the default of the service. */
  model: string | undefined;
  /** `all`, or the stem that is separated from the rest. */
  stems: string;
  format: Format;
}

const KEY = 'oxboard-options';
const DEFAULTS: Choice = { model: undefined, stems: 'all', format: 'flac' };

function stored(): Choice {
  try {
    const saved = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Choice>;
    return { ...DEFAULTS, ...saved };
  } catch {
    return DEFAULTS;
  }
}

export const choice = signal(stored());
effect(() => localStorage.setItem(KEY, JSON.stringify(choice.value)));

export const choose = (change: Partial<Choice>): void => {
  choice.value = { ...choice.value, ...change };
};
