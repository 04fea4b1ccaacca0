/** What yt-dlp's messages come to. Whether it still says so is tested with the real one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { explainFailure } from '../../../src/intake/youtube/failures.js';

const codeOf = (stderr: string, ageDays?: number) => explainFailure(stderr, ageDays).code;
const error = (words: string) => `ERROR: [youtube] dQw4w9WgXcQ: ${words}`;
const HINT = 'Use --cookies-from-browser or --cookies for the authentication.';

/** What YouTube says, as yt-dlp 2026.10.26 passes it on, and what other parts of yt-dlp say. */
const MESSAGES: [words: string, code: string][] = [
  [`Sign in to confirm you’re not a bot. ${HINT}`, 'YOUTUBE_BOT_CHECK'],
  [
    'All player responses are invalid. Your IP is likely being blocked by Youtube',
    'YOUTUBE_BOT_CHECK',
  ],
  ['This content. YouTube is requiring a captcha challenge before playback', 'YOUTUBE_BOT_CHECK'],
  [
    `Sign in to confirm your age. This video may be inappropriate for some users. ${HINT}`,
    'YOUTUBE_AGE_RESTRICTED',
  ],
  [
    `Private video. Sign in if you've been granted access to this video. ${HINT}`,
    'YOUTUBE_PRIVATE',
  ],
  ['Video unavailable. This video is private', 'YOUTUBE_PRIVATE'],
  ['Join this channel to get access to members-only content like this video', 'YOUTUBE_PRIVATE'],
  [
    "This video is available to this channel's members on level: Fan (or any higher level). Join this channel to get access",
    'YOUTUBE_PRIVATE',
  ],
  ['This video is only available to Music Premium members', 'YOUTUBE_PRIVATE'],
  ['The video is not available. Only available to Premium members', 'YOUTUBE_PRIVATE'],
  ['This video requires payment to watch', 'YOUTUBE_PRIVATE'],
  [`Login details are needed to download this content. ${HINT}`, 'YOUTUBE_PRIVATE'],
  ['This live event will begin in 3 days.', 'YOUTUBE_LIVE'],
  ['This live event has ended.', 'YOUTUBE_LIVE'],
  ['Premieres in 2 hours', 'YOUTUBE_LIVE'],
  ['Premiere will begin shortly', 'YOUTUBE_LIVE'],
  ['This live stream recording is not available.', 'YOUTUBE_LIVE'],
  ["We're processing this video. Check back later.", 'YOUTUBE_LIVE'],
  ['Video unavailable. This video has been removed by the uploader', 'YOUTUBE_UNAVAILABLE'],
  [
    'Video unavailable. This video is no longer available because the YouTube account associated with this video has been terminated.',
    'YOUTUBE_UNAVAILABLE',
  ],
  [
    'Video unavailable. The uploader has not made this video available in your country',
    'YOUTUBE_GEO_BLOCKED',
  ],
  [
    'Video unavailable. This video contains content from X, who has blocked it in your country on copyright grounds',
    'YOUTUBE_GEO_BLOCKED',
  ],
  [
    "This content isn't available, try again later. The current session has been rate-limited by YouTube for up to an hour.",
    'YOUTUBE_RATE_LIMITED',
  ],
  ['Unable to download API page: HTTP Error 429: Too Many Requests', 'YOUTUBE_RATE_LIMITED'],
  ['Unable to download webpage: HTTP Error 404: Not Found', 'YOUTUBE_UNAVAILABLE'],
  ['Unable to download webpage: HTTP Error 503: Service Unavailable', 'YOUTUBE_NETWORK'],
  ["Unable to download webpage: Failed to resolve 'www.youtube.com'", 'YOUTUBE_NETWORK'],
  [
    "Unable to download API page: ('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))",
    'YOUTUBE_NETWORK',
  ],
  ['The read operation timed out', 'YOUTUBE_NETWORK'],
  ['content too short (expected 100 bytes and served 10)', 'YOUTUBE_NETWORK'],
  ['fragment 3 not found, unable to continue', 'YOUTUBE_NETWORK'],
  ['The downloaded file is empty', 'YOUTUBE_NETWORK'],
  ['unable to write data: [Errno 28] No space left on device', 'DISK_FULL'],
  ['Something that nobody has seen', 'YOUTUBE_FAILED'],
];

describe('a failure of yt-dlp', () => {
  for (const [words, code] of MESSAGES) {
    it(`"${words}" is ${code}`, () => assert.equal(codeOf(error(words), 10), code));
  }

  it('is not read out of its warnings', () => {
    assert.equal(codeOf(`WARNING: Private video\n${error('no luck')}`), 'YOUTUBE_FAILED');
  });
});

const FORMAT = error('Requested format is not available. Use --list-formats');
const FORBIDDEN = error('unable to download video data: HTTP Error 403: Forbidden');
const SABR =
  'WARNING: [youtube] dQw4w9WgXcQ: Some tv client https formats have been skipped as they are missing a URL. ' +
  'YouTube may have enabled the SABR-only streaming experiment for the current session.';
const IMAGES = 'WARNING: Only images are available for download. use --list-formats to see them';
const NO_RUNTIME = 'WARNING: [youtube] No supported JavaScript runtime could be found.';

describe('advice to update yt-dlp', () => {
  for (const [what, stderr] of [
    ['finds no format', FORMAT],
    ['is refused by the site', FORBIDDEN],
    ['fails in an unknown way', error('Failed to extract any player response')],
  ] as const) {
    it(`is given when one of more than 90 days ${what}`, () => {
      assert.equal(codeOf(stderr, 91), 'YOUTUBE_OUTDATED');
      assert.notEqual(codeOf(stderr, 90), 'YOUTUBE_OUTDATED');
      assert.notEqual(codeOf(stderr), 'YOUTUBE_OUTDATED');
      assert.match(explainFailure(stderr, 400).message, /is 400 days old,.*pip install --upgrade/);
    });
  }

  it('is given at any age when YouTube withholds its formats', () => {
    for (const warning of [SABR, IMAGES]) {
      assert.equal(codeOf(`${warning}\n${FORMAT}`, 3), 'YOUTUBE_OUTDATED');
      assert.equal(codeOf(`${warning}\n${error('Private video')}`, 3), 'YOUTUBE_PRIVATE');
    }
    assert.equal(codeOf(FORMAT, 3), 'YOUTUBE_NO_AUDIO');
  });

  it('comes with a refusal of the site', () => {
    assert.equal(codeOf(FORBIDDEN, 3), 'YOUTUBE_NETWORK');
    assert.match(explainFailure(FORBIDDEN, 3).message, /\(403\).*pip install --upgrade/);
  });

  it('is not given for what no version could download', () => {
    for (const [words, code] of [
      ['Private video', 'YOUTUBE_PRIVATE'],
      ['This video is DRM protected', 'YOUTUBE_NO_AUDIO'],
      ['The read operation timed out', 'YOUTUBE_NETWORK'],
    ] as const) {
      assert.equal(codeOf(error(words), 400), code);
    }
    assert.equal(codeOf('', 400), 'YOUTUBE_FAILED', 'it was killed, or said nothing');
  });

  it('is given for one that does not know our options', () => {
    const stderr = 'yt-dlp: error: no such option: --js-runtimes';
    assert.equal(codeOf(stderr), 'YOUTUBE_OUTDATED');
    assert.equal(codeOf(stderr, 3), 'YOUTUBE_OUTDATED');
  });
});

describe('a missing JavaScript runtime', () => {
  it('is named where it can be the cause', () => {
    for (const stderr of [FORMAT, FORBIDDEN, error('whatever'), '']) {
      assert.equal(codeOf(`${NO_RUNTIME}\n${stderr}`, 400), 'YOUTUBE_JS_RUNTIME_MISSING');
    }
    const unsolved =
      'WARNING: [youtube] x: n challenge solving failed: Some formats may be missing.';
    assert.equal(codeOf(`${unsolved}\n${FORMAT}`), 'YOUTUBE_JS_RUNTIME_MISSING');
    assert.equal(codeOf(`${NO_RUNTIME}\n${error('Private video')}`), 'YOUTUBE_PRIVATE');
  });
});
