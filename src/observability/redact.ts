/**
 * What goes into a log line: plain JSON, without secrets and without end.
 */

const REDACTED = '[redacted]';
/** Whole words of a field's name: `api_key`, `claimToken` and `set-cookie`, but not `tokenizer`. */
const SECRET_NAME =
  /(^|[_\-.]|(?<=[a-z])(?=[A-Z]))(authorization|cookie|password|passwd|secret|token|credentials?|api[_-]?keys?)($|[_\-.]|(?=[A-Z]))/i;
/** Each looks only so far from where it begins: strangers write texts that would keep it for long. */
const IN_TEXT: readonly (readonly [RegExp, string])[] = [
  [/(\b[a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/?#@]*@/gi, `$1${REDACTED}@`],
  // A password with / ? or # in it, which should have been escaped. What looks like a port is none.
  [
    /(\b[a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/?#@:]{0,100}:(?!\d{1,5}[/?#])[^\s@"']{0,100}@/gi,
    `$1${REDACTED}@`,
  ],
  [
    /([?&](?:[\w-]+[_-])?(?:token|key|password|secret|signature|sig|credential)=)[^\s&#"']+/gi,
    `$1${REDACTED}`,
  ],
  [/\beyJ[\w-]{8,300}\.[\w-]+\.[\w-]*/g, REDACTED],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]+/gi, `$1 ${REDACTED}`],
];

const MAX_DEPTH = 8;
const MAX_ITEMS = 100;
const MAX_TEXT = 16_384;

/** A text without the passwords of its URLs, signed tokens and authorization headers. */
export function redactText(text: string): string {
  const short = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  return IN_TEXT.reduce((clean, [secret, instead]) => clean.replace(secret, instead), short);
}

/** A value as JSON can hold it. Errors keep their code, message, stack and cause. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'function') return undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) return '[too deep]';
  if (value instanceof Error) return redactError(value, depth);
  if (value instanceof Date) return Number.isNaN(value.valueOf()) ? null : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) {
    return value.slice(0, MAX_ITEMS).map((item) => redact(item, depth + 1));
  }
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, MAX_ITEMS)
      .map(([name, item]) => [name, SECRET_NAME.test(name) ? REDACTED : redact(item, depth + 1)]),
  );
}

function redactError(error: Error, depth: number): Record<string, unknown> {
  const { name, message, stack, cause } = error;
  const { code } = error as NodeJS.ErrnoException;
  return {
    name,
    ...(code !== undefined && { code }),
    message: redactText(message),
    ...(stack !== undefined && { stack: redactText(stack) }),
    ...(cause !== undefined && { cause: redact(cause, depth + 1) }),
  };
}
