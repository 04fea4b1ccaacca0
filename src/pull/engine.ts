/**
 * What pulling a model needs of the engine, for the command line and the service.
 */
import { assembleMember } from './assemble.js';
import { Separator } from '../engine/separator.js';
import type { PullOptions } from './pull.js';
import { loadNative } from '../native.js';
import type { LoadOptions } from '../options.js';

/**
 * @param options where the pulled model is tried.
 * @throws OxboardError NATIVE_MISSING, NATIVE_UNLOADABLE: before anything is downloaded for nothing.
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
