/**
 * What models will run on, known before any is loaded.
 */
import { loadNative } from '../native.js';
import { loadOptions, resolveOptions, type LoadOptions } from '../options.js';
import { defaultBatchSize, usesTf32 } from './batches.js';
import { packageVersion } from '../lib/package-version.js';

export interface Runtime {
  /** `cpu` or `cuda:N`. */
  device: string;
  /** CPU threads of one unit of work. */
  threads: number;
  /** Of this package. */
  version: string;
  /** What decides the bytes of a result besides model, options and song: equal text, equal bytes. */
  signature: string;
}

/** @throws OxboardError DEVICE_UNAVAILABLE, NATIVE_MISSING, NATIVE_UNLOADABLE, OUT_OF_MEMORY, INVALID_OPTION */
export function resolveRuntime(options: Pick<LoadOptions, 'device' | 'threads' | 'tf32'>): Runtime {
  const requested = resolveOptions(loadOptions, options);
  const native = loadNative();
  const device = native.resolveDevice(requested.device);
  const threads = requested.threads ?? native.defaultThreads;
  const facts = {
    processor: process.arch,
    device: device.replace(/:.*/, ''),
    threads,
    batchSize: defaultBatchSize(device),
    ...(usesTf32(device, requested.tf32) && { tf32: true }),
    oxboard: packageVersion,
    libtorch: native.libtorchVersion,
  };
  return { device, threads, version: packageVersion, signature: JSON.stringify(facts) };
}
