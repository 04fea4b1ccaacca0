/**
 * Uploaded audio to samples, through ffmpeg.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** What is longer is cut: all of it is held in memory. */
const LONGEST_SECONDS = 600;
const LAST_WORDS = 500;

// Without playlists: a text named song.mp3 could make ffmpeg read other files or call URLs.
const INPUT_FORMATS = 'aac,aiff,flac,matroska,webm,mp3,ogg,wav';

export class UndecodableError extends Error {}

/**
 * Decodes all of `upload` into small blocks, so that no copy of a whole song holds up the loop.
 *
 * @returns a source for Separator.stream(): it can be read as often as needed.
 */
export async function decode(upload, { sampleRate, channels, signal }) {
  if (!Buffer.isBuffer(upload)) throw new UndecodableError('the request has no body');
  const ffmpeg = spawn(
    'ffmpeg',
    [
      ...['-v', 'error', '-protocol_whitelist', 'pipe', '-format_whitelist', INPUT_FORMATS],
      ...['-i', 'pipe:0', '-map', '0:a:0', '-t', String(LONGEST_SECONDS)],
      ...['-ar', String(sampleRate), '-ac', String(channels), '-f', 'f32le', 'pipe:1'],
    ],
    { signal },
  );
  const closed = once(ffmpeg, 'close');
  // It is awaited below; until then a failure to start must not end the process.
  closed.catch(() => undefined);
  let words = '';
  ffmpeg.stderr.setEncoding('utf8').on('data', (text) => {
    words = (words + text).slice(-LAST_WORDS);
  });
  // ffmpeg may have enough before all is read; how it ends tells whether that was right.
  ffmpeg.stdin.on('error', () => undefined);
  ffmpeg.stdin.end(upload);

  const blocks = [];
  let frames = 0;
  let rest = Buffer.alloc(0);
  for await (const chunk of ffmpeg.stdout) {
    const bytes = Buffer.concat([rest, chunk]);
    const whole = Math.floor(bytes.length / (4 * channels));
    rest = bytes.subarray(whole * 4 * channels);
    if (whole === 0) continue;
    blocks.push(
      Array.from({ length: channels }, (_, channel) =>
        Float32Array.from({ length: whole }, (_sample, frame) =>
          bytes.readFloatLE(4 * (frame * channels + channel)),
        ),
      ),
    );
    frames += whole;
  }
  const [status] = await closed;
  if (status !== 0 || frames === 0) {
    throw new UndecodableError(`no audio that can be decoded: ${words.trim().split('\n').at(-1)}`);
  }
  return {
    sampleRate,
    channelCount: channels,
    frames,
    async *blocks() {
      yield* blocks;
    },
  };
}
