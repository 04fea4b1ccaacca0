/**
 * Death by Ctrl-C and its kin.
 */
import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * On such a signal: `cleanUp` (synchronous), then die by that same signal, so that the shell sees
 * it. Ending by `process.exit` would wait for the segment that is being computed.
 *
 * @returns what restores the default behaviour.
 */
export function dieCleanly(cleanUp: () => void): () => void {
  const handlers = SIGNALS.map((signal) => {
    const handler = () => {
      restore();
      try {
        cleanUp();
      } finally {
        // Libraries may listen too (signal-exit does), and would keep the signal from ending us.
        dieBy(signal);
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
 * Ends this process by `signal`, whatever listens to it. The first process of a container is not
 * ended by a signal of its own; it exits with the status that a shell would tell.
 */
export function dieBy(signal: NodeJS.Signals): never {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  process.exit(128 + constants.signals[signal]);
}
