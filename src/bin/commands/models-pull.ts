/**
 * `oxboard models pull`: a published model from the network, a mirror or a folder.
 */
import { readConfig } from '../../config.js';
import { OxboardError } from '../../errors.js';
import { UNKNOWN_LICENSE } from '../../models/license.js';
import { licenseText } from '../../models/license-text.js';
import { findPublished } from '../../pull/catalogue.js';
import { pullModel, type PulledFile, type PullResult } from '../../pull/pull.js';
import { formatBytes } from '../../lib/format.js';
import { pullView } from '../pull-progress.js';
import { say } from '../report.js';
import { cleanUpOnSignal } from '../signals.js';
import type { PullFlags } from './models-pull-help.js';

export async function pull(name: string, flags: PullFlags): Promise<void> {
  const config = readConfig(process.env);
  say(`License: ${licenseText(findPublished(name).license)}`);
  // Loading libtorch takes a moment, which help and bad usage need not wait for.
  const { pullEngine } = await import('../../pull/engine.js');
  const engine = pullEngine(config);
  const abort = new AbortController();
  const view = pullView();
  const restoreSignals = cleanUpOnSignal(() => {
    view.stop();
    say('Stopped. Run the command again to go on from here');
    abort.abort(new OxboardError('ABORTED', 'Stopped'));
  });
  try {
    const result = await pullModel(name, {
      ...engine,
      modelsDir: flags.modelsDir ?? config.modelsDir,
      source: flags.source,
      requireLicense: flags.requireLicense,
      // A mirror has no business with the token of someone's account elsewhere.
      token: flags.token ?? (flags.source === undefined ? config.hubToken : undefined),
      signal: abort.signal,
      onProgress: (progress) => view.update(progress),
      onNotice: (notice) => view.note(notice),
    });
    view.stop();
    print(result);
  } finally {
    view.stop();
    restoreSignals();
  }
}

const CHECKS: Record<PulledFile['check'], string> = {
  published: 'as published',
  announced: 'as its host says',
  recorded: 'as recorded by an earlier pull',
  none: 'recorded now',
};

function print({ name, directory, pulled, files, description }: PullResult): void {
  if (!pulled) {
    process.stdout.write(`${name} is installed in ${directory} already, and intact\n`);
    return;
  }
  const lines = files.map(
    ({ file, size, sha256, check }) =>
      `  ${file}  ${formatBytes(size)}  SHA-256 ${sha256.slice(0, 16)}, ${CHECKS[check]}`,
  );
  process.stdout.write(
    `${name} is installed in ${directory}\n${lines.join('\n')}\n` +
      `  License: ${licenseText(description.license ?? UNKNOWN_LICENSE)}\n` +
      `Try it: oxboard separate song.mp3 --model ${name}\n`,
  );
}
