/**
 * A path for messages: quoted if it has control characters, which break a line or control a terminal.
 */
export const displayPath = (file: string): string =>
  /\p{Cc}/u.test(file) ? JSON.stringify(file).replaceAll('\u007f', '\\u007f') : file;
