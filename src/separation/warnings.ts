/**
 * What the owner of a song should know of its file and of the options, beside the stems.
 */
import type { DamageLog, Warning } from '../audio/damage.js';
import type { Encoding } from '../audio/formats.js';
import type { ProbedInput } from '../audio/probe.js';
import { OxboardError } from '../errors.js';
import { displayPath } from '../lib/display-path.js';
import type { ResolvedOutputOptions } from '../options.js';

/** Share of the sound that may be lost. */
const MOST_LOST = 0.1;
/** A header may be wrong by this much of the length. */
const LENGTH_TOLERANCE = 0.01;
const LENGTH_TOLERANCE_SECONDS = 0.5;
/** Bytes of sound from which a header of 32 bits says only that the length was not known. */
const UNKNOWN_LENGTH_BYTES = 2 ** 31 - 2 ** 16;

/**
 * @param seconds length of what was decoded.
 * @throws OxboardError INPUT_DAMAGED when more than a tenth is lost and that is not allowed. A file
 * that merely ends early gives what it has.
 */
export function damageWarnings(
  input: ProbedInput,
  damage: DamageLog,
  seconds: number,
  allowDamaged: boolean,
): Warning[] {
  const { warnings, lostSeconds } = damage;
  if (!allowDamaged && lostSeconds > MOST_LOST * seconds) {
    throw new OxboardError(
      'INPUT_DAMAGED',
      `${displayPath(input.path)} is damaged: ${lostSeconds.toFixed(1)} s of it are lost. ` +
        'Get another copy, or allow damaged files to separate what is left',
    );
  }
  const { durationSeconds: stated = 0, bitRate = 0 } = input;
  const missing = stated - seconds - lostSeconds;
  const known = (stated * bitRate * 1000) / 8 < UNKNOWN_LENGTH_BYTES;
  if (known && missing > Math.max(LENGTH_TOLERANCE_SECONDS, stated * LENGTH_TOLERANCE)) {
    warnings.push({
      code: 'AUDIO_ENDS_EARLY',
      message: `The audio ends at ${seconds.toFixed(1)} s, but the file says that it lasts ${stated.toFixed(1)} s`,
      atSeconds: seconds,
      lostSeconds: missing,
    });
  }
  return warnings;
}

/** Options that were given and do nothing. */
export function optionWarnings(
  { bitDepth, format }: Pick<ResolvedOutputOptions, 'bitDepth' | 'format'>,
  encoding: Encoding,
): Warning[] {
  if (encoding.bitDepth !== undefined || bitDepth === '16') return [];
  return [
    {
      code: 'OPTION_WITHOUT_EFFECT',
      message: `The bit depth ${bitDepth} has no effect: ${format} has none. Choose wav or flac for it`,
      atSeconds: null,
      lostSeconds: 0,
    },
  ];
}
