/**
 * The native work of a pull. Apart from pull.ts, so that others need not load libtorch.
 */
import { assembleMember } from './assemble.js';
import { Separator } from '../engine/separator.js';
import type { PullOptions } from './pull.js';
import { loadNative } from '../native.js';
import type { LoadOptions } from '../options.js';

/**
 * @param options device and threads on which the pulled model is run once.
 * @throws OxboardError NATIVE_MISSING, NATIVE_UNLOADABLE: before anything is downloaded.
 */
export function pullEngine({
  device,
  threads,
}: Pick<LoadOptions, 'device' | 'threads'>): Pick<PullOptions, 'assemble' | 'verify'> {
  loadNative();
  return {
    assemble: assembleMember,
    async verify(name, modelsDir, signal) {
      const separator = await Separator.load(name, {
        modelsDir,
        ...(device !== undefined && { device }),
        threads,
        signal,
        warmUp: true,
      });
      await separator.dispose();
    },
  };
}
