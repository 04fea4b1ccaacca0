/**
 * Files in what was dropped, those in folders included.
 */
export async function songsIn(transfer: DataTransfer): Promise<File[]> {
  // The list is empty after the event, so all are taken at once. Only a drag has entries.
  const dropped = [...transfer.items].map((item) => item.webkitGetAsEntry() ?? item.getAsFile());
  const files = await Promise.all(
    dropped
      .filter((one) => one !== null)
      .map(async (one) => (one instanceof File ? [one] : filesOf(one))),
  );
  return files.flat();
}

async function filesOf(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    return [file];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: File[] = [];
  for (;;) {
    // A reader gives its entries in parts, and then none.
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (part.length === 0) break;
    for (const inside of part) found.push(...(await filesOf(inside)));
  }
  return found.filter(({ type }) => type.startsWith('audio/') || type.startsWith('video/'));
}
