/**
 * Death by Ctrl-C and its kin.
 */

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
        process.kill(process.pid, signal);
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
