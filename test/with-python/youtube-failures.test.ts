/** Whether the installed yt-dlp still uses the words by which its failures are told apart. */
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

const codeOf = (stderr: string) => explainFailure(stderr, undefined).code;
const error = (words: string) => `ERROR: [youtube] dQw4w9WgXcQ: ${words}`;

describe('what yt-dlp says', () => {
  const OWN: [words: string, code: string][] = [
    ['Private video', 'YOUTUBE_PRIVATE'],
    ['Login details are needed to download this content', 'YOUTUBE_PRIVATE'],
    ['Your IP is likely being blocked by Youtube', 'YOUTUBE_BOT_CHECK'],
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
    ['content too short (expected ', 'YOUTUBE_NETWORK'],
    ['not found, unable to continue', 'YOUTUBE_NETWORK'],
    ['The downloaded file is empty', 'YOUTUBE_NETWORK'],
    ['Incomplete data received', 'YOUTUBE_NETWORK'],
    ['Failed to extract any player response', 'YOUTUBE_FAILED'],
  ];
  for (const [words, code] of OWN) {
    it(`"${words}" is ${code}`, () => {
      assert.ok(source.includes(words), 'it no longer says so');
      assert.equal(codeOf(error(words)), code);
    });
  }

  it('warns in the words that advice depends on', () => {
    for (const words of [
      'YouTube may have enabled the SABR-only streaming experiment for',
      'formats have been skipped as they are missing a URL',
      'only images are available for download',
      'No supported JavaScript runtime could be found.',
      'n challenge solving failed: Some formats may be missing.',
      'Signature solving failed: Some formats may be missing.',
    ]) {
      assert.ok(source.includes(words), `it no longer says "${words}"`);
    }
  });
});
