import { chmodSync, createWriteStream, mkdirSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { Transform } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';

const FILE_TYPE = 0o170000;
const SYMLINK = 0o120000;
const EXECUTABLE = 0o111;

/** Unix mode of an entry; 0 where the archive has none. */
const modeOf = (entry) => entry.externalFileAttributes >>> 16;
const isSymlink = (entry) => (modeOf(entry) & FILE_TYPE) === SYMLINK;

async function open(archive) {
  // Set-up loads this file before `npm ci` has installed yauzl.
  const { default: yauzl } = await import('yauzl');
  // Refuses names that lead out of the folder.
  const zip = await yauzl.openPromise(archive, { autoClose: false, strictFileNames: true });
  const entries = [];
  for await (const entry of zip.eachEntry()) entries.push(entry);
  return { zip, entries };
}

/** The bytes of an entry; fails at its end if they differ from the entry's CRC-32. */
async function contentOf(zip, entry, onBytes = () => {}) {
  let crc = 0;
  const check = new Transform({
    transform(chunk, _encoding, done) {
      crc = crc32(chunk, crc);
      onBytes(chunk.length);
      done(undefined, chunk);
    },
    flush(done) {
      done(crc === entry.crc32 ? undefined : new Error(`${entry.fileName} is damaged`));
    },
  });
  const content = await zip.openReadStreamPromise(entry);
  content.on('error', (error) => check.destroy(error));
  return content.pipe(check);
}

/**
 * Unpacks the wanted files of a ZIP archive, with their executable bits and symbolic links. Neither a
 * name nor a link may lead out of `folder`, and no file may be there already.
 *
 * @param wants chooses among all names in the archive.
 * @param onProgress called with the bytes that are unpacked and all that will be.
 */
export async function unzip(
  archive,
  folder,
  { wants = (names) => names, onProgress = () => {} } = {},
) {
  const { zip, entries: all } = await open(archive);
  try {
    const names = new Set(wants(all.map(({ fileName }) => fileName)));
    const entries = all.filter(({ fileName }) => names.has(fileName));
    const total = entries.reduce((sum, { uncompressedSize }) => sum + uncompressedSize, 0);
    let done = 0;
    const onBytes = (bytes) => onProgress((done += bytes), total);
    const place = ({ fileName }) => join(folder, fileName);
    for (const entry of entries) {
      const directory = entry.fileName.endsWith('/') ? place(entry) : dirname(place(entry));
      mkdirSync(directory, { recursive: true });
    }
    const links = entries.filter(isSymlink);
    const files = entries.filter((entry) => !isSymlink(entry) && !entry.fileName.endsWith('/'));
    for (const entry of files) {
      const target = createWriteStream(place(entry), { flags: 'wx' });
      await pipeline(await contentOf(zip, entry, onBytes), target);
      if (modeOf(entry) & EXECUTABLE) chmodSync(place(entry), 0o755);
    }
    // After all files and folders, so that nothing is written through a link.
    for (const entry of links) {
      symlinkSync((await buffer(await contentOf(zip, entry, onBytes))).toString(), place(entry));
    }
    const inside = `${realpathSync(folder)}${sep}`;
    for (const entry of links) {
      if (realpathSync(place(entry)).startsWith(inside)) continue;
      throw new Error(`the link ${entry.fileName} leads out of the archive`);
    }
  } finally {
    zip.close();
  }
}

/** The text of the first file in a ZIP archive whose name ends so. */
export async function readZipped(archive, ending) {
  const { zip, entries } = await open(archive);
  try {
    const entry = entries.find(({ fileName }) => fileName.endsWith(ending));
    if (!entry) throw new Error(`there is no ${ending} in it`);
    return (await buffer(await contentOf(zip, entry))).toString();
  } finally {
    zip.close();
  }
}
