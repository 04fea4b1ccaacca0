/**
 * What a stem's file says of itself: the song's title, artist, album and more, and its cover.
 */
import { writeFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Encoding } from './formats.js';
import { FfmpegFailure, ffmpegText, fileUrl, inputArguments, runFfmpeg } from './ffmpeg.js';
import type { ProbedInput } from './probe.js';

/** Tags carried over beside the title, as ffmpeg names them in every container. */
const CARRIED = [
  'artist', 'album', 'album_artist', 'composer', 'genre', 'date', 'track', 'disc', 'comment',
] as const; // prettier-ignore

/** A name may come from a stranger: no more of it than people read. */
const LONGEST_TAG = 500;
/** FLAC holds no larger picture. */
const LARGEST_COVER_BYTES = 2 ** 24 - 1024;

const COVER_KINDS = {
  mjpeg: { mime: 'image/jpeg', demuxer: 'jpeg_pipe', signature: Buffer.of(0xff, 0xd8, 0xff) },
  png: { mime: 'image/png', demuxer: 'png_pipe', signature: Buffer.from('\x89PNG\r\n', 'latin1') },
};

const pictureReport = z.object({
  streams: z.array(
    z.object({ width: z.int().positive(), height: z.int().positive(), pix_fmt: z.string() }),
  ),
});
type CoverCodec = keyof typeof COVER_KINDS;

/** Cover art, still packed as it was in the song. */
export interface Cover {
  codec: CoverCodec;
  width: number;
  height: number;
  bytes: Buffer;
  /** The same bytes, for ffmpeg. */
  file: string;
}

export interface StemTags {
  /** Names and texts. */
  texts: Record<string, string>;
  cover?: Cover | undefined;
}

/**
 * @param track the name of the song where it has no title; null: then the stem has none either,
 * and players show the name of its file.
 */
export function stemTexts(
  tags: Readonly<Record<string, string>>,
  track: string | null,
  stem: string,
): Record<string, string> {
  const title = readable(tags.title ?? '') || readable(track ?? '');
  const carried = CARRIED.map((name) => [name, readable(tags[name] ?? '')] as const);
  return Object.fromEntries(
    [['title', title && `${title} (${stem})`] as const, ...carried].filter(
      ([, text]) => text !== '',
    ),
  );
}

const readable = (text: string): string =>
  text
    .slice(0, LONGEST_TAG)
    .replaceAll(/[\p{Cc}\p{Cs}]+/gu, ' ')
    .trim();

/**
 * Copies the cover of a song into `file`, unopened. A cover that cannot be had is none: nobody
 * wants to lose the stems for it.
 *
 * @throws `signal.reason`; what writing the file throws.
 */
export async function extractCover(
  input: ProbedInput,
  file: string,
  signal?: AbortSignal,
): Promise<Cover | undefined> {
  const { index, codec = '' } = input.cover ?? {};
  if (index === undefined || !isCoverCodec(codec)) return undefined;
  try {
    const chunks: Uint8Array[] = [];
    let bytesRead = 0;
    const picture = runFfmpeg({
      args: [
        ...inputArguments(input.path),
        '-map', `0:${String(index)}`, '-c', 'copy', '-frames:v', '1', '-f', 'image2pipe', 'pipe:1',
      ], // prettier-ignore
      signal,
    });
    for await (const chunk of picture) {
      bytesRead += chunk.length;
      if (bytesRead > LARGEST_COVER_BYTES) return undefined;
      chunks.push(chunk);
    }
    const bytes = Buffer.concat(chunks);
    const { signature } = COVER_KINDS[codec];
    if (!bytes.subarray(0, signature.length).equals(signature)) return undefined;
    await writeFile(file, bytes);
    const size = await pictureSize(file, codec, signal);
    return size && { codec, width: size.width, height: size.height, bytes, file };
  } catch (error) {
    if (error instanceof FfmpegFailure) return undefined;
    throw error;
  }
}

/** The size of a picture as ffmpeg will see it; a broken one would spoil every stem's file. */
async function pictureSize(
  file: string,
  codec: CoverCodec,
  signal?: AbortSignal,
): Promise<{ width: number; height: number } | undefined> {
  const text = await ffmpegText({
    tool: 'ffprobe',
    args: [
      '-f', COVER_KINDS[codec].demuxer, '-show_entries', 'stream=width,height,pix_fmt', '-of', 'json',
      fileUrl(file),
    ], // prettier-ignore
    signal,
  });
  return pictureReport.safeParse(JSON.parse(text)).data?.streams[0];
}

const isCoverCodec = (codec: string): codec is CoverCodec => Object.hasOwn(COVER_KINDS, codec);

/** Tags as ffmpeg's arguments: further inputs, and what goes from them into the output. */
export interface TagArguments {
  inputs: string[];
  outputs: string[];
}

/**
 * @param file where the texts are put for ffmpeg: a command line would be too short for a cover.
 * @param first how many inputs ffmpeg has before these.
 */
export async function tagArguments(
  { texts, cover }: StemTags,
  encoding: Pick<Encoding, 'cover'>,
  file: string,
  first: number,
): Promise<TagArguments> {
  const all = { ...texts };
  if (cover && encoding.cover === 'comment') all.METADATA_BLOCK_PICTURE = pictureBlock(cover);
  await writeFile(file, metadataText(all));
  const inputs = ['-f', 'ffmetadata', '-i', fileUrl(file)];
  const outputs = ['-map', '0:a', '-map_metadata', String(first)];
  if (cover && encoding.cover === 'stream') {
    inputs.push('-f', COVER_KINDS[cover.codec].demuxer, '-i', fileUrl(cover.file));
    outputs.push(
      '-map', `${String(first + 1)}:v`, '-c:v', 'copy', '-disposition:v', 'attached_pic',
      '-metadata:s:v', 'comment=Cover (front)',
    ); // prettier-ignore
  }
  return { inputs, outputs };
}

function metadataText(texts: Record<string, string>): string {
  const escape = (text: string) => text.replaceAll(/[=;#\\\n]/g, '\\$&');
  const lines = Object.entries(texts).map(([name, text]) => `${escape(name)}=${escape(text)}\n`);
  return `;FFMETADATA1\n${lines.join('')}`;
}

/** The picture block of FLAC, which comments of the Vorbis kind hold as base64. */
function pictureBlock({ codec, width, height, bytes }: Cover): string {
  const { mime } = COVER_KINDS[codec];
  const FRONT_COVER = 3;
  const BITS_PER_PIXEL = 24;
  const numbers = (...values: number[]) => {
    const block = Buffer.alloc(values.length * 4);
    values.forEach((value, index) => block.writeUInt32BE(value, index * 4));
    return block;
  };
  return Buffer.concat([
    numbers(FRONT_COVER, mime.length),
    Buffer.from(mime, 'latin1'),
    numbers(0, width, height, BITS_PER_PIXEL, 0, bytes.length),
    bytes,
  ]).toString('base64');
}
