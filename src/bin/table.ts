/**
 * Tables that keep their columns in a terminal.
 */

/** Columns of the terminals that everything is written for. */
export const TEXT_WIDTH = 80;
const GAP = '  ';
/** Below this, words would be torn apart: the table is wider than asked for then. */
const NARROWEST = 12;

/**
 * Cells below each other. Where the whole is wider than `width`, one column is wrapped between words.
 *
 * @param rows of equally many cells.
 * @param wrapped index of the column that may be wrapped.
 * @returns one text for each row; a wrapped one has several lines.
 */
export function tableRows(
  rows: readonly (readonly string[])[],
  wrapped: number,
  width = TEXT_WIDTH,
): string[] {
  const columns = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const total = columns.reduce((sum, column) => sum + column + GAP.length, -GAP.length);
  const room = Math.max((columns[wrapped] ?? 0) - Math.max(total - width, 0), NARROWEST);
  columns[wrapped] = Math.min(columns[wrapped] ?? 0, room);
  return rows.map((row) => {
    const parts = wrap(row[wrapped] ?? '', columns[wrapped] ?? 0);
    const lines = parts.map((part, line) =>
      columns.map((size, column) => {
        const first = line === 0 ? (row[column] ?? '') : '';
        return (column === wrapped ? part : first).padEnd(size);
      }),
    );
    return lines.map((cells) => cells.join(GAP).trimEnd()).join('\n');
  });
}

/** Lines of at most `width` characters where the words allow it. */
export function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? '';
    if (last === '') lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
