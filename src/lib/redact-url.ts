/**
 * A URL for messages and logs, without its user information.
 *
 * Everything before the last `@` is removed: a password may hold characters such as `/` that should
 * have been escaped, and then the rest of it would look like a path.
 */
export const redactUrl = (url: string): string =>
  url.replace(/^([a-z][a-z\d+.-]*:?\/\/)?.*@/is, '$1[redacted]@');

/** A URL for messages, logs and documents, without its query and fragment. */
export const withoutQuery = (url: string): string => url.replace(/[?#].*/s, '');
