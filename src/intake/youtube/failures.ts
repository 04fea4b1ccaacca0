/**
 * yt-dlp's error messages, as errors of ours.
 */
import { OxboardError, type ErrorCode } from '../../errors.js';
import { INSTALL_YT_DLP, OLD_DAYS } from './binary.js';

interface Rule {
  code: ErrorCode;
  /** Matches the error lines of yt-dlp, which often quote the site. The first rule that matches counts. */
  pattern: RegExp;
  message: string;
  /** Whether yt-dlp fails like this when the site has changed since its release. */
  updateMayHelp?: boolean;
}

const UPDATE = `Where the workers run, update yt-dlp with: ${INSTALL_YT_DLP}`;

const RULES: readonly Rule[] = [
  {
    code: 'DISK_FULL',
    pattern: /no space left on device|disk quota exceeded/i,
    message: 'The disk of the folder for downloads is full. Free some space',
  },
  {
    code: 'YOUTUBE_BOT_CHECK',
    pattern: /not a bot|captcha challenge|unusual traffic|IP is likely being blocked/i,
    message:
      'The site takes this service for a bot, by its address, and wants a sign-in. Upload the song ' +
      'as a file, or try again later',
  },
  {
    code: 'YOUTUBE_RATE_LIMITED',
    pattern: /rate-limited|HTTP Error 429|too many requests/i,
    message: 'The site has had too many requests from this service. Try again in an hour',
  },
  {
    code: 'YOUTUBE_AGE_RESTRICTED',
    pattern: /confirm your age|age-restricted|age.verification|inappropriate for some users/i,
    message: 'The video is shown only to accounts of adults. Upload the song as a file',
  },
  {
    code: 'YOUTUBE_GEO_BLOCKED',
    pattern:
      /available in your (country|region)|not available from your location|geo.?restrict|blocked it in your country/i,
    message:
      'The video is not available in the country where this service runs. Upload the song as a file',
  },
  {
    code: 'YOUTUBE_LIVE',
    pattern:
      /live event (will begin|has ended)|premieres? (in|will)|live stream recording is not available|is offline|not currently live|will begin (in|shortly)|processing this video/i,
    message: 'The video is live or has not begun yet. Try again when its recording is there',
  },
  {
    code: 'YOUTUBE_PRIVATE',
    pattern:
      /private video|video is private|members[- ]only|premium members|join this channel|requires payment|registered users|login required|login details are needed|only available (for|to)|purchase/i,
    message:
      'The video is private, or for members or buyers only. Upload the song as a file, or ask its ' +
      'owner to publish it',
  },
  {
    code: 'YOUTUBE_NO_AUDIO',
    pattern: /DRM protected/i,
    message: 'The audio of the video is protected against copying. Upload the song as a file',
  },
  {
    code: 'YOUTUBE_NO_AUDIO',
    pattern: /requested format is not available|no video formats found/i,
    message: 'The video has no audio that can be downloaded. Upload the song as a file',
    updateMayHelp: true,
  },
  {
    code: 'YOUTUBE_UNAVAILABLE',
    pattern:
      /video unavailable|(video|this content) is(n't| not| no longer) available|has been removed|does not exist|been terminated|unsupported URL|not a valid URL|no suitable extractor|incomplete youtube id|HTTP Error (401|404|410)/i,
    message: 'There is no video behind the link, or no more. Check the link',
  },
  {
    code: 'YOUTUBE_OUTDATED',
    pattern:
      /no such option|option .* (requires|does not take)|invalid .* given|unsupported option/i,
    message: `The installed yt-dlp is too old for this service. ${UPDATE}`,
    updateMayHelp: true,
  },
  {
    code: 'YOUTUBE_NETWORK',
    pattern: /HTTP Error 403/i,
    message: `The site refused the download (403). Upload the song as a file. ${UPDATE}`,
    updateMayHelp: true,
  },
  {
    code: 'YOUTUBE_NETWORK',
    pattern:
      /HTTP Error (5\d\d|408)|timed out|timeout|connection|unable to connect|network|bytes read|incomplete ?read|incomplete data|failed to resolve|name resolution|giving up|proxy|reset by peer|ssl|certificate|did not get any data|file is empty|not found, unable to continue|content too short|downloaded \d+ bytes, expected/i,
    message: 'The site could not be reached, or the download broke off. Try again later',
  },
];

const OTHER: Rule = {
  code: 'YOUTUBE_FAILED',
  pattern: /(?:)/,
  message:
    'yt-dlp could not download the video. Upload the song as a file; the log of the worker tells more',
  updateMayHelp: true,
};

/** Warnings that YouTube gives its formats in a way that this yt-dlp cannot use: no age is too young. */
const FORMATS_WITHHELD = /SABR|missing a URL|PO Token|only images are available/i;
const NO_JAVASCRIPT =
  /no supported javascript runtime could be found|(n challenge|signature) solving failed/i;

/**
 * The error that a failed yt-dlp stands for.
 *
 * @param stderr all that yt-dlp has printed there.
 * @param ageDays how old it is, if that is known.
 */
export function explainFailure(stderr: string, ageDays: number | undefined): OxboardError {
  const cause = new Error(stderr.trim());
  const errors = stderr
    .split('\n')
    .filter((line) => /error:/i.test(line))
    .join('\n');
  const rule = RULES.find(({ pattern }) => pattern.test(errors)) ?? OTHER;
  const { code, message, updateMayHelp = false } = rule;
  if (updateMayHelp && NO_JAVASCRIPT.test(stderr)) {
    return new OxboardError(
      'YOUTUBE_JS_RUNTIME_MISSING',
      'yt-dlp has no JavaScript runtime that it can use, or not its scripts, and YouTube needs both. ' +
        `Where the workers run, install them with: ${INSTALL_YT_DLP}`,
      { cause },
    );
  }
  const isOld = ageDays !== undefined && ageDays > OLD_DAYS;
  const withheld = code === 'YOUTUBE_NO_AUDIO' && FORMATS_WITHHELD.test(stderr);
  if (updateMayHelp && errors !== '' && (isOld || withheld)) {
    const age = ageDays === undefined ? '' : `, which is ${String(ageDays)} days old,`;
    return new OxboardError(
      'YOUTUBE_OUTDATED',
      `The installed yt-dlp${age} does not work with the site as it is now. ${UPDATE}`,
      { cause },
    );
  }
  return new OxboardError(code, message, { cause });
}
