/**
 * All stems as one archive, made while it is sent.
 */
import type { Readable } from 'node:stream';
import { ZipFile } from 'yazl';

export interface ZipEntry {
  name: string;
  sizeBytes: number;
  open: () => Promise<Readable>;
}

/**
 * Entries are stored as they are, since audio does not get smaller, and opened one after another.
 *
 * @returns the archive and its size; reading it fails when an entry cannot be read.
 */
export async function zipStream(
  entries: readonly ZipEntry[],
  modifiedAt: Date,
): Promise<{ stream: Readable; sizeBytes: number }> {
  const zip = new ZipFile();
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- a PassThrough, whatever yazl's types say
  const stream = zip.outputStream as Readable;
  let current: Readable | undefined;
  const fail = (error: Error) => void stream.destroy(error);
  zip.on('error', fail);
  stream.once('close', () => current?.destroy());
  for (const { name, sizeBytes, open } of entries) {
    zip.addReadStreamLazy(
      name,
      { compress: false, mtime: modifiedAt, size: sizeBytes },
      (callback) => {
        open().then(
          (entry) => {
            current = entry.once('error', fail);
            if (stream.destroyed) entry.destroy();
            else callback(null, entry);
          },
          (error: unknown) => fail(error as Error),
        );
      },
    );
  }
  const sizeBytes = await new Promise<number>((resolve) => {
    // The declared callback has no parameter, the called one the size.
    zip.end(undefined, resolve as () => void);
  });
  return { stream, sizeBytes };
}
