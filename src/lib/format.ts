/** Bytes in kB or MB, for display. */
export const formatBytes = (bytes: number): string =>
  bytes < 1e6
    ? `${(bytes / 1e3).toFixed(0)} kB`
    : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

/** A time span in its largest unit, for display: `40s`, `5m`, `3h`, `2d`. */
export function formatAge(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  const [unit, name] = (
    [
      [86_400, 'd'],
      [3_600, 'h'],
      [60, 'm'],
    ] as const
  ).find(([size]) => seconds >= size) ?? [1, 's'];
  return `${String(Math.floor(seconds / unit))}${name}`;
}

/** `1 song`, `2 songs`. */
export const count = (number: number, noun: string): string =>
  `${String(number)} ${noun}${number === 1 ? '' : 's'}`;
