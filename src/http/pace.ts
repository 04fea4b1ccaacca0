/**
 * Guards an upload against clients that keep a connection for ever with a byte now and then.
 */
import type { IncomingMessage } from 'node:http';
import { OxboardError } from '../errors.js';

export interface UploadPace {
  /** Bytes that have to arrive in each window. */
  windowBytes: number;
  windowMs: number;
  /** Within which the whole body has to be there. */
  totalMs: number;
}

/** Slow but honest: 64 kbit/s, such as a bad mobile connection has. */
const SLOWEST_BYTES_PER_SECOND = 8_000;
const WINDOW_SECONDS = 20;

/** Lets uploads of the maximum size pass on the slowest connection that counts as honest. */
export function uploadPace(maxFileSize: number): UploadPace {
  return {
    // A connection stalls at times; over all its time it has to keep the pace.
    windowBytes: (SLOWEST_BYTES_PER_SECOND * WINDOW_SECONDS) / 4,
    windowMs: WINDOW_SECONDS * 1000,
    totalMs: (2 * WINDOW_SECONDS + maxFileSize / SLOWEST_BYTES_PER_SECOND) * 1000,
  };
}

/**
 * Watches the body of a request until it is complete, and reports once what is wrong with it.
 *
 * @param maxBytes of the whole body; its length need not be known before.
 * @returns how to stop watching.
 */
export function watchBody(
  request: IncomingMessage,
  { pace, maxBytes }: { pace: UploadPace; maxBytes: number },
  onFailure: (error: OxboardError | 'too large') => void,
): () => void {
  let total = 0;
  let inWindow = 0;
  const tooSlow = (words: string) =>
    onFailure(new OxboardError('UPLOAD_TIMEOUT', `The upload ${words}`));
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
