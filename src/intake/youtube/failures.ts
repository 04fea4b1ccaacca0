/**
 * What yt-dlp says when it fails, in our terms.
 */
import { OxboardError, type ErrorCode } from '../../errors.js';
import { INSTALL_YT_DLP, OLD_DAYS } from './binary.js';

interface Kind {
  code: ErrorCode;
  /** Of yt-dlp's words, or of those of the site that it passes on. The first that fits counts. */
  words: RegExp;
  message: string;
}

const KINDS: readonly Kind[] = [
  {
    code: 'YOUTUBE_BOT_CHECK',
    words: /not a bot|captcha challenge|unusual traffic/i,
    message:
      'The site takes this service for a bot, by its address, and wants a sign-in. Upload the song ' +
      'as a file, or try again later',
  },
  {
    code: 'YOUTUBE_RATE_LIMITED',
    words: /rate-limited|HTTP Error 429|too many requests/i,
    message: 'The site has had too many requests from this service. Try again in an hour',
  },
  {
    code: 'YOUTUBE_AGE_RESTRICTED',
    words: /confirm your age|age-restricted|age.verification|inappropriate for some users/i,
    message: 'The video is shown only to accounts of adults. Upload the song as a file',
  },
  {
    code: 'YOUTUBE_GEO_BLOCKED',
    words:
      /available in your country|not available from your location|geo.?restrict|blocked it in your country/i,
    message:
      'The video is not available in the country where this service runs. Upload the song as a file',
  },
  {
    code: 'YOUTUBE_LIVE',
    words:
      /live event will begin|premieres? (in|will)|live stream recording is not available|is offline|not currently live|will begin (in|shortly)/i,
    message: 'The video is live or has not begun yet. Try again when its recording is there',
  },
  {
    code: 'YOUTUBE_PRIVATE',
    words:
      /private video|video is private|members[- ]only|join this channel|requires payment|registered users|login required|only available for|purchase/i,
    message:
      'The video is private, or for members or buyers only. Upload the song as a file, or ask its ' +
      'owner to publish it',
  },
  {
    code: 'YOUTUBE_NO_AUDIO',
    words: /DRM protected|requested format is not available|no video formats found|only images/i,
    message: 'The video has no audio that can be downloaded. Upload the song as a file',
  },
  {
    code: 'YOUTUBE_UNAVAILABLE',
    words:
      /video unavailable|(video|this content) is(n't| not| no longer) available|has been removed|does not exist|been terminated|unsupported URL|not a valid URL|no suitable extractor|incomplete youtube id|HTTP Error (401|404|410)/i,
    message: 'There is no video behind the link, or no more. Check the link',
  },
  {
    code: 'YOUTUBE_OUTDATED',
    words: /no such option|option .* (requires|does not take)|invalid .* given|unsupported option/i,
    message: '',
  },
  {
    code: 'YOUTUBE_NETWORK',
    words:
      /HTTP Error (5\d\d|403|408)|timed out|timeout|connection|unable to connect|network|bytes read|incomplete ?read|failed to resolve|name resolution|giving up|proxy|reset by peer|ssl|certificate|did not get any data|downloaded \d+ bytes, expected/i,
    message: 'The site could not be reached, or the download broke off. Try again later',
  },
];

const NO_RUNTIME = /no supported javascript runtime could be found/i;
const NO_SOLVER = /(n challenge|signature) solving failed/i;
const A_DEFECT = /confirm you are on the latest version/i;

/** Failures that a runtime for JavaScript could have spared. */
const FOR_WANT_OF_JAVASCRIPT: readonly ErrorCode[] = [
  'YOUTUBE_NO_AUDIO',
  'YOUTUBE_NETWORK',
  'YOUTUBE_FAILED',
  'YOUTUBE_OUTDATED',
];

/**
 * @param said what yt-dlp has printed on its standard error.
 * @param ageDays how old it is, if that is known.
 */
export function explainFailure(said: string, ageDays: number | undefined): OxboardError {
  const errors = said
    .split('\n')
    .filter((line) => /error:/i.test(line))
    .join('\n');
  const kind = KINDS.find(({ words }) => words.test(errors));
  const old = ageDays !== undefined && ageDays > OLD_DAYS;
  // What yt-dlp takes for a defect of its own is mended by a newer one, as a rule.
  const outdated = old && A_DEFECT.test(errors);
  const code = outdated ? 'YOUTUBE_OUTDATED' : (kind?.code ?? 'YOUTUBE_FAILED');
  const cause = new Error(said.trim());
  if (FOR_WANT_OF_JAVASCRIPT.includes(code) && (NO_RUNTIME.test(said) || NO_SOLVER.test(said))) {
    return new OxboardError(
      'YOUTUBE_JS_RUNTIME_MISSING',
      'yt-dlp has no JavaScript runtime that it can use, or not its scripts, and YouTube needs both. ' +
        `Where the workers run, install them with: ${INSTALL_YT_DLP}`,
      { cause },
    );
  }
  if (code === 'YOUTUBE_OUTDATED') {
    const age = ageDays === undefined ? '' : `, which is ${String(ageDays)} days old,`;
    return new OxboardError(
      code,
      `The installed yt-dlp${age} is too old for the site. Where the workers run, update it with: ` +
        INSTALL_YT_DLP,
      { cause },
    );
  }
  if (kind) return new OxboardError(kind.code, kind.message, { cause });
  return new OxboardError(
    'YOUTUBE_FAILED',
    'yt-dlp could not download the video. Upload the song as a file; the log of the worker tells more',
    { cause },
  );
}
