/**
 * A storage whose writes wait until a test releases them, so that the test decides how far a job gets.
 */
import { once } from 'node:events';
import type { Storage } from '../../src/storage/storage.js';

/**
 * @param after the first write whose key matches is still done; those after it are held. Without it
 * all are held. As on a slow storage, the signal of a write ends its wait.
 */
export function holdWrites(
  storage: Storage,
  after?: RegExp,
): { storage: Storage; release: () => void } {
  const released = new AbortController();
  let holds = after === undefined;

  async function held(key: string, signal: AbortSignal | undefined, write: () => Promise<void>) {
    if (holds && !released.signal.aborted) {
      await once(released.signal, 'abort', { ...(signal && { signal }) });
    }
    await write();
    if (after?.test(key)) holds = true;
  }
  const writes: Pick<Storage, 'putFile' | 'putBytes'> = {
    putFile: (key, file, signal) => held(key, signal, () => storage.putFile(key, file, signal)),
    putBytes: (key, bytes, signal) => held(key, signal, () => storage.putBytes(key, bytes, signal)),
  };
  return {
    storage: new Proxy(storage, {
      get: (target, name: keyof Storage) =>
        name in writes ? writes[name as keyof typeof writes] : target[name]?.bind(target),
    }),
    release: () => released.abort(),
  };
}
