/**
 * Where a client may have the end of its job told. Names are not resolved here: they are judged when
 * they are connected to, by the lookup of network/public-address.ts.
 */
import { OxboardError } from '../errors.js';
import { assertPublicHost } from '../network/public-address.js';

const LONGEST = 2048;
/** An absolute URL without what the parser of URLs would mend in silence: spaces, tabs, backslashes. */
const FORM = /^https?:\/\/[^\s\p{Cc}\\/?#]+([/?][^\s\p{Cc}\\#]*)?$/iu;

/**
 * @param allowPrivate any address and any port.
 * @returns the URL as it will be asked for.
 * @throws OxboardError INVALID_OPTION when it is none that we post to, ADDRESS_NOT_PUBLIC when it is
 * an address in a private network.
 */
export function parseCallbackUrl(
  given: unknown,
  { allowPrivate }: { allowPrivate: boolean },
): string {
  if (typeof given !== 'string' || given.length > LONGEST) {
    throw refused(`has to be one URL of up to ${String(LONGEST)} characters`);
  }
  if (!FORM.test(given) || !URL.canParse(given)) {
    throw refused('has to be a complete http: or https: URL without a fragment');
  }
  const url = new URL(given);
  if (/^[^/]*\/\/[^/?]*@/.test(given)) {
    throw refused('may not hold a user name or a password');
  }
  if (!allowPrivate) {
    if (!['', '80', '443'].includes(url.port)) {
      throw refused('has to have port 80 or 443 on this service');
    }
    assertPublicHost(url.hostname);
  }
  return url.href;
}

const refused = (what: string): OxboardError =>
  new OxboardError('INVALID_OPTION', `callback_url ${what}`);
