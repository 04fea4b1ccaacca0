/**
 * The end of a process by a signal.
 */
import { constants } from 'node:os';

export const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * On Ctrl-C and the like: runs `cleanUp` (synchronous), then ends this process by the same signal, so
 * that the shell sees it. `process.exit` would wait for the segment that is being computed.
 *
 * @returns what restores the default behavior.
 */
export function cleanUpOnSignal(cleanUp: () => void): () => void {
  const handlers = STOP_SIGNALS.map((signal) => {
    const handler = () => {
      restore();
      try {
        cleanUp();
      } finally {
        exitWithSignal(signal);
      }
    };
    process.on(signal, handler);
    return { signal, handler };
  });
  const restore = () => {
    for (const { signal, handler } of handlers) process.off(signal, handler);
  };
  return restore;
}

/**
 * Ends this process by `signal`, whatever listens to it: libraries may (signal-exit does). A signal
 * does not end the first process of a container; that one exits with the status that a shell reports.
 */
export function exitWithSignal(signal: NodeJS.Signals): never {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  process.exit(128 + constants.signals[signal]);
}
