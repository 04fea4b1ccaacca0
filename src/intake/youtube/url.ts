/**
 * Checks links to videos that clients send.
 */
import { OxboardError } from '../../errors.js';
import { invalidOption } from '../../options.js';

const MAX_CHARACTERS = 2048;
const FIELD = 'youtube_url';
const YOUTUBE = /^((www|m|music)\.)?youtube\.com$/;
/** Paths of playlists and channels. */
const MANY_VIDEOS = /^\/(playlist|@|channel\/|c\/|user\/|feed\/|results|hashtag\/)/;

export const isYoutube = (url: string): boolean => {
  const { host } = new URL(url);
  return YOUTUBE.test(host) || host === 'youtu.be';
};

/**
 * Checks a link to a video.
 *
 * @returns it without its fragment, in which yt-dlp would look for instructions.
 *
 * @param allowedHosts in lower case, with a port when that is not the usual one.
 * @throws OxboardError INVALID_OPTION, YOUTUBE_HOST_NOT_ALLOWED, YOUTUBE_PLAYLIST
 */
export function parseYoutubeUrl(text: string, allowedHosts: readonly string[]): string {
  const url = text.length <= MAX_CHARACTERS && URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw invalidOption(FIELD, 'URL of a video, with http or https', text.slice(0, MAX_CHARACTERS));
  }
  if (url.username !== '' || url.password !== '') {
    throw new OxboardError('INVALID_OPTION', `The ${FIELD} must not have a user name or password`);
  }
  if (!allowedHosts.includes(url.host)) {
    throw new OxboardError(
      'YOUTUBE_HOST_NOT_ALLOWED',
      `This service takes no links to ${url.host}, only to ${allowedHosts.join(', ')}`,
    );
  }
  if (YOUTUBE.test(url.host) && MANY_VIDEOS.test(url.pathname)) throw manyVideos();
  url.hash = '';
  return url.href;
}

export const manyVideos = (): OxboardError =>
  new OxboardError(
    'YOUTUBE_PLAYLIST',
    'The link is to a playlist or a channel. Send the link of one video',
  );
