/**
 * Checks links to files that clients send. Their queries are often keys to the file: no message and no
 * document has one.
 */
import { OxboardError } from '../../errors.js';
import { isMediaName, songName } from '../../lib/file-names.js';
import { withoutQuery } from '../../lib/redact-url.js';
import { assertPublicHost } from '../../network/public-address.js';
import { invalidOption } from '../../options.js';
import { MAX_NAME_CHARACTERS } from '../fetched-song.js';

const MAX_CHARACTERS = 2048;
const FIELD = 'source_url';
const DEFAULT_PORTS: Record<string, string> = { 'http:': '80', 'https:': '443' };

/** Any host of the public Internet. */
const ANY_HOST = '*';

/**
 * Checks a link to a file. Names are not resolved here: they are judged when they are connected to.
 *
 * @param allowedHosts in lower case, or `*`; undefined: the service takes no such links.
 * @returns the URL without its fragment. `anyAddress`: the operator has listed the host with its port,
 * so it may have a private address.
 * @throws OxboardError SOURCE_URL_DISABLED, INVALID_OPTION, SOURCE_URL_HOST_NOT_ALLOWED,
 * ADDRESS_NOT_PUBLIC
 */
export function parseSourceUrl(
  text: string,
  allowedHosts: readonly string[] | undefined,
): { url: URL; anyAddress: boolean } {
  if (!allowedHosts) {
    throw new OxboardError(
      'SOURCE_URL_DISABLED',
      `This service takes no ${FIELD}: its SOURCE_URL_HOSTS is not set. Upload the song as a file`,
    );
  }
  const url = text.length <= MAX_CHARACTERS && URL.canParse(text) ? new URL(text) : undefined;
  const port = url && (url.port || DEFAULT_PORTS[url.protocol]);
  if (!url || port === undefined) {
    const received = withoutQuery(text).slice(0, MAX_CHARACTERS);
    throw invalidOption(FIELD, 'URL of a file, with http or https', received);
  }
  if (url.username !== '' || url.password !== '') {
    throw new OxboardError('INVALID_OPTION', `The ${FIELD} must not have a user name or password`);
  }
  const anyAddress = allowedHosts.includes(`${url.hostname}:${port}`);
  if (!anyAddress) {
    if (!allowedHosts.includes(ANY_HOST) && !allowedHosts.includes(url.hostname)) {
      throw new OxboardError(
        'SOURCE_URL_HOST_NOT_ALLOWED',
        `This service takes no files from ${url.host}, only from ${allowedHosts.join(', ')}`,
      );
    }
    if (!Object.values(DEFAULT_PORTS).includes(port)) {
      throw new OxboardError(
        'INVALID_OPTION',
        `The ${FIELD} has port ${port}; only 80 and 443 are connected to`,
      );
    }
    assertPublicHost(url.hostname);
  }
  url.hash = '';
  return { url, anyAddress };
}

/**
 * The name of the file behind a link.
 *
 * @param candidates names and paths; the first with the extension of a media file counts, else the first.
 */
export function nameOfFile(...candidates: readonly string[]): string {
  const names = candidates.map((candidate) => decoded(candidate.replace(/^.*[/\\]/s, '')));
  return songName(names.find(isMediaName) ?? names[0] ?? '', MAX_NAME_CHARACTERS);
}

/** A part of a path without its percent-encoding, if it has a valid one. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
