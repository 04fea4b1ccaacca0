/**
 * What a decoder could not read: what was wrong, where, and how much sound is missing for it.
 */

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

/** A decoded frame, and what came before it. */
export interface DecodedFrame {
  /** Where it would be if nothing were missing before it. */
  atSeconds: number;
  seconds: number;
  /** Byte in the file; negative when unknown. */
  position: number;
  /** Seconds missing before it by the file's own times; undefined when there is no damage. */
  missingSeconds?: number;
  complaints?: readonly string[];
}

/** Places that are closer together are one. */
const SAME_PLACE_SECONDS = 1;
const MOST_PLACES = 20;
const LONGEST_REASON = 200;

interface Place {
  atSeconds: number;
  endSeconds: number;
  lostSeconds: number;
  reason: string | undefined;
}

export class DamageLog {
  readonly #countBytes: boolean;
  readonly #places: Place[] = [];
  #lastPosition = -1;
  #soundBytes = 0;
  #soundSeconds = 0;

  /**
   * @param countBytes whether damage is measured in bytes that gave no sound: where a file has no
   * times of its own, what is missing leaves no gap in them.
   */
  constructor({ countBytes = false } = {}) {
    this.#countBytes = countBytes;
  }

  frame({ atSeconds, seconds, position, missingSeconds, complaints = [] }: DecodedFrame): void {
    const bytes = this.#lastPosition < 0 ? 0 : Math.max(position - this.#lastPosition, 0);
    this.#lastPosition = position;
    if (missingSeconds === undefined) {
      this.#soundBytes += bytes;
      this.#soundSeconds += seconds;
      return;
    }
    let lostSeconds = missingSeconds;
    if (this.#countBytes && this.#soundBytes > 0) {
      const secondsOfBytes = (bytes * this.#soundSeconds) / this.#soundBytes;
      lostSeconds = Math.max(lostSeconds, secondsOfBytes - seconds);
    }
    const last = this.#places.at(-1);
    const endSeconds = atSeconds + missingSeconds;
    if (last && atSeconds - last.endSeconds <= SAME_PLACE_SECONDS) {
      last.endSeconds = endSeconds;
      last.lostSeconds += lostSeconds;
      last.reason ??= complaints[0];
    } else {
      this.#places.push({ atSeconds, endSeconds, lostSeconds, reason: complaints[0] });
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
      const words = `The audio is damaged at ${String(rest.length)} more places`;
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

function sentence({ atSeconds, lostSeconds, reason }: Place): string {
  const lost = lostSeconds >= 0.001 ? `, ${lostSeconds.toFixed(3)} s of it are lost` : '';
  const words = reason?.replaceAll(/\p{Cc}/gu, ' ').slice(0, LONGEST_REASON);
  return `The audio is damaged at ${atSeconds.toFixed(1)} s${lost}${words ? ` (${words})` : ''}`;
}
