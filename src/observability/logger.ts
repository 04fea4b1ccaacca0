/**
 * Logs: one event a line, as JSON for machines or coloured for people in development.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Writable } from 'node:stream';
import { createLogger as createWinston, format, transports } from 'winston';
import { redact, redactText } from './redact.js';

export type LogFields = Record<string, unknown>;
type Log = (event: string, fields?: LogFields) => void;

/**
 * An event has a name in snake_case (`job_completed`) and fields such as `job_id`, `duration` in
 * seconds, `model`. An Error in a field (`error`) is logged with its code, message, stack and cause.
 * Fields whose names speak of secrets, and secrets within texts, are left out.
 */
export interface Logger {
  error: Log;
  warn: Log;
  info: Log;
  debug: Log;
}

export interface LoggerConfig {
  environment: 'development' | 'production';
  logLevel: 'error' | 'warn' | 'info' | 'debug';
}

const context = new AsyncLocalStorage<LogFields>();

/** Runs `work`; every line that is logged within it, also later on, has `fields` too. */
export function withLogContext<T>(fields: LogFields, work: () => T): T {
  return context.run({ ...context.getStore(), ...fields }, work);
}

/**
 * @param fields part of every line, such as which process it is.
 */
export function createLogger(
  { environment, logLevel }: LoggerConfig,
  { fields: own = {}, stream = process.stdout }: { fields?: LogFields; stream?: Writable } = {},
): Logger {
  const winston = createWinston({
    level: logLevel,
    format: format.printf(({ level, message, fields }) => {
      const line = {
        timestamp: new Date().toISOString(),
        level,
        event: redactText(String(message)),
        ...(redact(fields) as LogFields),
      };
      return environment === 'development' ? forPeople(line) : JSON.stringify(line);
    }),
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- winston's types declare the constructor apart from its class
    transports: [new transports.Stream({ stream })],
  });
  const log =
    (level: keyof Logger): Log =>
    (event, fields = {}) => {
      winston.log(level, event, { fields: { ...own, ...context.getStore(), ...fields } });
    };
  return { error: log('error'), warn: log('warn'), info: log('info'), debug: log('debug') };
}

interface Line extends LogFields {
  timestamp: string;
  level: string;
  event: string;
}

const COLOURS: Record<string, number> = { error: 31, warn: 33, info: 32, debug: 90 };

function forPeople({ timestamp, level, event, ...fields }: Line): string {
  const stacks: string[] = [];
  const facts = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => {
      if (isLoggedError(value)) {
        if (value.stack !== undefined) stacks.push(value.stack);
        return `${name}=${value.code ?? value.name}: ${value.message}`;
      }
      return `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`;
    });
  const clock = timestamp.slice(11, 23);
  const colour = String(COLOURS[level] ?? 0);
  const words = [clock, `\x1b[${colour}m${level.padEnd(5)}\x1b[0m`, event, ...facts].join(' ');
  return [words, ...stacks].join('\n');
}

function isLoggedError(
  value: unknown,
): value is { name: string; message: string; code?: string; stack?: string } {
  return typeof value === 'object' && value !== null && 'name' in value && 'message' in value;
}
