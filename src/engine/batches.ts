/**
 * What depends on the kind of device: how many segments of a song go through a network together, and
 * what becomes of a lack of memory.
 */
import type { NativeStepReport } from '../native.js';
import type { MemoryShortage } from '../options.js';

/**
 * A CPU is no faster with more. A GPU is; its memory is not asked here, for bytes are to be the same
 * with more of it: what does not fit at a time is split, and songs that wait share what fits.
 */
const ON_GPU = 8;

const isGpu = (device: string): boolean => device !== 'cpu';

export const defaultBatchSize = (device: string): number => (isGpu(device) ? ON_GPU : 1);

/** The option means nothing to a CPU. */
export const usesTf32 = (device: string, asked: boolean): boolean => asked && isGpu(device);

/** What a step says of memory; undefined when there was enough. */
export function shortageOf(
  { shrunkTo, onCpu }: NativeStepReport,
  { device, model }: { device: string; model: string },
): MemoryShortage | undefined {
  if (shrunkTo === 0) return undefined;
  const what =
    onCpu === 0
      ? `${String(shrunkTo)} segments of ${model} are run at a time from now on`
      : `the CPU ran ${String(onCpu)} ${onCpu === 1 ? 'segment' : 'segments'} of ${model}`;
  return {
    device,
    model,
    batchSize: shrunkTo,
    onCpu,
    message: `${device} has too little free memory: ${what}. End other programs on it, or take a smaller segment`,
  };
}

/** What becomes of it where the caller does not want to know. */
export function warnOfShortage({ message }: MemoryShortage): void {
  process.emitWarning(message, { code: 'OXBOARD_GPU_MEMORY' });
}
