/**
 * What a decoder could not read: what was wrong, where, and how much sound is missing for it.
 */
import { count } from '../lib/format.js';

/** Something about a song or its stems that its owner should know. */
export interface Warning {
  /** A stable name. */
  code: WarningCode;
  /** The same in words. */
  message: string;
  /** Where in the song; null for what is about all of it. */
  atSeconds: number | null;
  /** How much sound is missing there. */
  lostSeconds: number;
}

export const WARNING_CODES = [
  'AUDIO_DAMAGED',
  'AUDIO_ENDS_EARLY',
  'OPTION_WITHOUT_EFFECT',
] as const;
export type WarningCode = (typeof WARNING_CODES)[number];

/** A place at which sound is missing. */
export interface Damage {
  /** Where the missing sound would be. */
  atSeconds: number;
  missingSeconds: number;
  /** Whether that is an estimate: what follows is early or late by its error. */
  estimated: boolean;
  complaints: readonly string[];
}

/** Places that are closer together are one. */
const SAME_PLACE_SECONDS = 1;
const MOST_PLACES = 20;
const LONGEST_REASON = 200;

interface Place {
  atSeconds: number;
  endSeconds: number;
  lostSeconds: number;
  estimated: boolean;
  reason: string | undefined;
}

export class DamageLog {
  readonly #places: Place[] = [];

  add({ atSeconds, missingSeconds, estimated, complaints }: Damage): void {
    const last = this.#places.at(-1);
    const endSeconds = atSeconds + missingSeconds;
    if (last && atSeconds - last.endSeconds <= SAME_PLACE_SECONDS) {
      last.endSeconds = endSeconds;
      last.lostSeconds += missingSeconds;
      last.estimated ||= estimated;
      last.reason ??= complaints[0];
    } else {
      this.#places.push({
        atSeconds,
        endSeconds,
        lostSeconds: missingSeconds,
        estimated,
        reason: complaints[0],
      });
    }
  }

  get lostSeconds(): number {
    return this.#places.reduce((sum, { lostSeconds }) => sum + lostSeconds, 0);
  }

  /** One for each place; those beyond a number that people read are one together. */
  get warnings(): Warning[] {
    const shown = this.#places.slice(0, MOST_PLACES);
    const rest = this.#places.slice(MOST_PLACES);
    const warnings = shown.map((place) =>
      damaged(place.atSeconds, place.lostSeconds, sentence(place)),
    );
    if (rest.length > 0) {
      const lostSeconds = rest.reduce((sum, place) => sum + place.lostSeconds, 0);
      const words = `The audio is damaged at ${count(rest.length, 'more place')}`;
      warnings.push(damaged(rest[0]?.atSeconds ?? null, lostSeconds, words));
    }
    return warnings;
  }
}

const damaged = (atSeconds: number | null, lostSeconds: number, message: string): Warning => ({
  code: 'AUDIO_DAMAGED',
  message,
  atSeconds,
  lostSeconds,
});

function sentence({ atSeconds, lostSeconds, estimated, reason }: Place): string {
  const about = estimated
    ? `about ${lostSeconds.toFixed(1)} s of it are lost, so what follows may be early or late`
    : `${lostSeconds.toFixed(3)} s of it are lost`;
  const lost = lostSeconds >= 0.001 ? `, ${about}` : '';
  const words = reason?.replaceAll(/\p{Cc}/gu, ' ').slice(0, LONGEST_REASON);
  return `The audio is damaged at ${atSeconds.toFixed(1)} s${lost}${words ? ` (${words})` : ''}`;
}
