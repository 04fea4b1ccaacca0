/**
 * Finds environment variables that look like settings of the service but are not.
 */
import { distance } from 'fastest-levenshtein';
import { SETTING_OF } from '../../config.js';
import { OxboardError } from '../../errors.js';
import type { Logger } from '../../observability/logger.js';

/** Nobody else uses these prefixes: such a name is meant for us. */
const OWN_PREFIX = /^(DEMUCS|OBSERVABILITY)_/;
/** Standard variables of libraries, which read more of them than we do. */
const STANDARD_PREFIX = /^(AWS|OTEL)_/;
/** Variables of OX Board's original backend that have no counterpart here. */
const UNUSED = ['APP_NAME', 'VERSION', 'REDIS_MAX_CONNECTIONS', 'API_REQUEST_TIMEOUT'];
/** Shorter names are too often near another program's. */
const SHORTEST = 6;
/** From this length on, two letters may be wrong, and any of them. */
const LONG = 10;

const known = new Set([...SETTING_OF].flatMap(([name, { alias }]) => [name, alias ?? name]));

interface UnknownVariable {
  variable: string;
  /** The setting that was probably meant. */
  suggestion: string | undefined;
  /** For people. */
  sentence: string;
}

/**
 * Warns of variables that are misspelled or not used.
 *
 * @throws OxboardError INVALID_ENVIRONMENT when a secret is probably misspelled: without API_KEYS,
 * the service would be open to everyone.
 */
export function checkVariableNames(variables: NodeJS.ProcessEnv, logger: Logger): void {
  for (const { variable, suggestion = '', sentence } of unknownVariables(Object.keys(variables))) {
    if (SETTING_OF.get(suggestion)?.secret && !(suggestion in variables)) {
      throw new OxboardError(
        'INVALID_ENVIRONMENT',
        `${sentence} If it belongs to another program, set ${suggestion}= (empty) as well`,
      );
    }
    logger.warn('setting_unknown', { variable, advice: sentence });
  }
  const unused = UNUSED.filter((name) => variables[name]);
  if (unused.length > 0) logger.info('settings_unused', { variables: unused });
}

/** Those that are nearly a setting, or begin as only our settings do. */
export function unknownVariables(names: readonly string[]): UnknownVariable[] {
  return names
    .filter((name) => !known.has(name) && !UNUSED.includes(name) && !STANDARD_PREFIX.test(name))
    .map((variable) => {
      const suggestion = nearest(variable);
      const advice = suggestion === undefined ? '' : ` Did you mean ${suggestion}?`;
      return { variable, suggestion, sentence: `${variable} is not a setting.${advice}` };
    })
    .filter(({ variable, suggestion }) => suggestion !== undefined || OWN_PREFIX.test(variable));
}

function nearest(variable: string): string | undefined {
  const letters = lettersOf(variable);
  const [best] = [...SETTING_OF.keys()]
    .map((name) => ({ name, errors: distance(letters, lettersOf(name)) }))
    .filter(({ name, errors }) => isNear(letters, lettersOf(name), errors))
    .sort((a, b) => a.errors - b.errors);
  return best?.name;
}

/** The names of other programs are as short as ours: `APP_KEY` is not a misspelled `API_KEYS`. */
function isNear(letters: string, setting: string, errors: number): boolean {
  if (setting.length < SHORTEST) return false;
  if (setting.length >= LONG) return errors <= 2;
  return errors <= 1 && letters.slice(0, 3) === setting.slice(0, 3);
}

const lettersOf = (name: string): string => name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '');
