/** What yt-dlp's own words come to. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { explainFailure } from '../../src/intake/youtube/failures.js';

const LINE = 'import yt_dlp, os; print(os.path.dirname(yt_dlp.__file__))';
const folder = execFileSync('python3', ['-c', LINE], { encoding: 'utf8' }).trim();
const source = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((file) =>
    /^(extractor\/(youtube\/|common|generic)|downloader|networking|utils|\w+\.py)/.test(file),
  )
  .filter((file) => file.endsWith('.py'))
  .map((file) => readFileSync(path.join(folder, file), 'utf8'))
  .join('\n');

const codeOf = (said: string, ageDays?: number) => explainFailure(said, ageDays).code;
const error = (words: string) => `ERROR: [youtube] dQw4w9WgXcQ: ${words}`;

describe('what yt-dlp says', () => {
  const OWN: [words: string, code: string][] = [
    ['Private video', 'YOUTUBE_PRIVATE'],
    ['This video is only available for registered users', 'YOUTUBE_PRIVATE'],
    ['Age-restricted; requires authentication', 'YOUTUBE_AGE_RESTRICTED'],
    ['This video is age-restricted and YouTube is requiring', 'YOUTUBE_AGE_RESTRICTED'],
    ['Video unavailable', 'YOUTUBE_UNAVAILABLE'],
    ['This video has been removed for violating YouTube', 'YOUTUBE_UNAVAILABLE'],
    ['This video is not available.', 'YOUTUBE_UNAVAILABLE'],
    ['This video does not exist.', 'YOUTUBE_UNAVAILABLE'],
    ['Unsupported URL: ', 'YOUTUBE_UNAVAILABLE'],
    ['The uploader has not made this video available in your country', 'YOUTUBE_GEO_BLOCKED'],
    [
      'This video is not available from your location due to geo restriction',
      'YOUTUBE_GEO_BLOCKED',
    ],
    ['YouTube is requiring a captcha challenge before playback', 'YOUTUBE_BOT_CHECK'],
    ['has been rate-limited by YouTube for up to an hour', 'YOUTUBE_RATE_LIMITED'],
    ['The channel is not currently live', 'YOUTUBE_LIVE'],
    ['This video is DRM protected', 'YOUTUBE_NO_AUDIO'],
    ['No video formats found!', 'YOUTUBE_NO_AUDIO'],
    ['Requested format is not available', 'YOUTUBE_NO_AUDIO'],
    ['Did not get any data blocks', 'YOUTUBE_NETWORK'],
    ['Failed to extract any player response', 'YOUTUBE_FAILED'],
  ];
  for (const [words, code] of OWN) {
    it(`"${words}" is ${code}`, () => {
      assert.ok(source.includes(words), 'it says so no more');
      assert.equal(codeOf(error(words)), code);
    });
  }

  it('is often what the site said', () => {
    const HINT = 'Use --cookies-from-browser or --cookies for the authentication.';
    for (const [words, code] of [
      ['Sign in to confirm you’re not a bot. ' + HINT, 'YOUTUBE_BOT_CHECK'],
      [
        'Sign in to confirm your age. This video may be inappropriate for some users. ' + HINT,
        'YOUTUBE_AGE_RESTRICTED',
      ],
      [
        "Private video. Sign in if you've been granted access to this video. " + HINT,
        'YOUTUBE_PRIVATE',
      ],
      ['Video unavailable. This video is private', 'YOUTUBE_PRIVATE'],
      [
        'Join this channel to get access to members-only content like this video',
        'YOUTUBE_PRIVATE',
      ],
      ['This video requires payment to watch', 'YOUTUBE_PRIVATE'],
      ['This live event will begin in 3 days.', 'YOUTUBE_LIVE'],
      ['Premieres in 2 hours', 'YOUTUBE_LIVE'],
      ['This live stream recording is not available.', 'YOUTUBE_LIVE'],
      ['Video unavailable. This video has been removed by the uploader', 'YOUTUBE_UNAVAILABLE'],
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
    ] as const) {
      assert.equal(codeOf(error(words)), code, words);
    }
  });

  it('tells a missing runtime for JavaScript from a video without audio', () => {
    const warning =
      'WARNING: [youtube] No supported JavaScript runtime could be found. Only deno is enabled by default';
    assert.ok(source.includes('No supported JavaScript runtime could be found.'));
    const format = error('Requested format is not available');
    assert.equal(codeOf(`${warning}\n${format}`), 'YOUTUBE_JS_RUNTIME_MISSING');
    assert.ok(source.includes('n challenge solving failed: Some formats may be missing.'));
    const unsolved =
      'WARNING: [youtube] x: n challenge solving failed: Some formats may be missing.';
    assert.equal(codeOf(`${unsolved}\n${format}`), 'YOUTUBE_JS_RUNTIME_MISSING');
    assert.equal(codeOf(`${warning}\n${error('Private video')}`), 'YOUTUBE_PRIVATE');
    assert.equal(codeOf(warning), 'YOUTUBE_JS_RUNTIME_MISSING', 'whatever it failed by');
  });

  it('tells an old yt-dlp from a new one that fails', () => {
    const defect = 'Confirm you are on the latest version using  yt-dlp -U';
    assert.ok(source.includes(defect));
    const said = error(
      `Failed to extract any player response; please report this issue. ${defect}`,
    );
    assert.equal(codeOf(said, 10), 'YOUTUBE_FAILED');
    assert.equal(codeOf(said), 'YOUTUBE_FAILED');
    assert.equal(codeOf(said, 91), 'YOUTUBE_OUTDATED');
    assert.match(explainFailure(said, 400).message, /is 400 days old,.*pip install --upgrade/);
    // One that is too old for what we ask of it.
    assert.equal(codeOf('yt-dlp: error: no such option: --js-runtimes'), 'YOUTUBE_OUTDATED');
  });
});
