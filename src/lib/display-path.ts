/**
 * A path for people: as it is, unless it has characters that break a line or steer a terminal.
 */
export const displayPath = (file: string): string =>
  /\p{Cc}/u.test(file) ? JSON.stringify(file).replaceAll('\u007f', '\\u007f') : file;
