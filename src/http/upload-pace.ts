/**
 * Ends uploads of clients that hold a connection with a byte now and then.
 */
import type { IncomingMessage } from 'node:http';
import { OxboardError } from '../errors.js';

export interface UploadPace {
  /** Least bytes that have to arrive in each window. */
  windowBytes: number;
  windowMs: number;
  /** Time within which the whole body has to arrive. */
  totalMs: number;
}

/** 64 kbit/s, as on a bad mobile connection. */
const SLOWEST_BYTES_PER_SECOND = 8_000;
const WINDOW_SECONDS = 20;

/** Lets uploads of the maximum size pass on the slowest connection that is allowed. */
export function uploadPace(maxFileSize: number): UploadPace {
  return {
    // A connection may stall at times; over the whole upload it has to keep the pace.
    windowBytes: (SLOWEST_BYTES_PER_SECOND * WINDOW_SECONDS) / 4,
    windowMs: WINDOW_SECONDS * 1000,
    totalMs: (2 * WINDOW_SECONDS + maxFileSize / SLOWEST_BYTES_PER_SECOND) * 1000,
  };
}

/**
 * Watches the body of a request until it is complete, and reports when it is too large or too slow.
 *
 * @param maxBytes of the whole body, whose length need not be known before.
 * @returns stops watching.
 */
export function watchBody(
  request: IncomingMessage,
  { pace, maxBytes }: { pace: UploadPace; maxBytes: number },
  onFailure: (error: OxboardError | 'too large') => void,
): () => void {
  let total = 0;
  let inWindow = 0;
  const tooSlow = (how: string) =>
    onFailure(new OxboardError('UPLOAD_TIMEOUT', `The upload ${how}`));
  const onData = (chunk: Uint8Array) => {
    total += chunk.length;
    inWindow += chunk.length;
    if (total > maxBytes) onFailure('too large');
  };
  const window = setInterval(() => {
    if (inWindow < pace.windowBytes)
      tooSlow(`was slower than ${String(pace.windowBytes)} bytes in ${seconds(pace.windowMs)}`);
    inWindow = 0;
  }, pace.windowMs);
  const whole = setTimeout(
    () => tooSlow(`took longer than ${seconds(pace.totalMs)}`),
    pace.totalMs,
  );
  const stop = () => {
    clearInterval(window);
    clearTimeout(whole);
    request.off('data', onData);
  };
  request.on('data', onData);
  request.once('end', stop);
  request.once('close', stop);
  return stop;
}

const seconds = (milliseconds: number): string => `${String(Math.round(milliseconds / 1000))} s`;
