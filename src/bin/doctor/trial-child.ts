/**
 * The part of `oxboard doctor` that may die: it loads the addon, and then a model when it gets one.
 * Each step that worked is a JSON line on stdout, and so is the error that ended it.
 *
 *     node trial-child.js [JSON of a Trial]
 */
import { loadNative } from '../../native.js';
import { describeFailure } from '../report.js';
import type { Trial, TrialReport } from './trial.js';

const report = (line: Partial<TrialReport>) => process.stdout.write(`${JSON.stringify(line)}\n`);

try {
  const native = loadNative();
  const { libtorchVersion, defaultThreads } = native;
  const [devices, gpu] = [native.devices(), native.gpu()];
  report({ native: { libtorchVersion, defaultThreads, devices, gpu } });
  const [, , argument] = process.argv;
  if (argument !== undefined) {
    const { model, ...options } = JSON.parse(argument) as Trial;
    const { Separator } = await import('../../engine/separator.js');
    const started = performance.now();
    const separator = await Separator.load(model, options);
    const seconds = (performance.now() - started) / 1000;
    const { device, threads } = separator;
    await separator.dispose();
    const peakBytes = process.resourceUsage().maxRSS * 1024;
    report({ separation: { device, threads, seconds, peakBytes } });
  }
} catch (error) {
  const { code, message } = describeFailure(error);
  report({ error: { code, message } });
}
