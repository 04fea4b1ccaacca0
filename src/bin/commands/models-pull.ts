/**
 * `oxboard models pull`: a published model from the network, a mirror or a folder.
 */
import { readConfig } from '../../config.js';
import { OxboardError } from '../../errors.js';
import { HUB, publishedModels } from '../../models/catalogue.js';
import { pullModel, type PulledFile, type PullResult } from '../../models/pull.js';
import { megabytes, pullView } from '../pull-progress.js';
import { say } from '../report.js';
import { dieCleanly } from '../signals.js';

export interface PullFlags {
  modelsDir?: string;
  source?: string;
  token?: string;
}

export const PULL_HELP = `
NAME is one of ${publishedModels()
  .map(({ name }) => name)
  .join(', ')}.
The weights come from ${HUB}, as those of demucs 4.1 do; no Python is
needed. They are checked against the published checksums where these are known, made into an archive,
and tried before they are installed. An interrupted pull goes on where it ended when it is run again;
"oxboard models remove NAME" deletes what it has left.

Environment:
  HTTPS_PROXY, HTTP_PROXY, NO_PROXY   the way out of a closed network
  NODE_EXTRA_CA_CERTS                 certificates of a proxy that inspects traffic
  HF_TOKEN                            a token of Hugging Face; is sent nowhere else

Examples:
  $ oxboard models pull htdemucs
  $ oxboard models pull htdemucs_ft --source https://mirror.example.org
      a mirror: <owner>/<repository>/resolve/main/<file>, NAME/<file> or <file> below it
  $ oxboard models pull htdemucs --source ~/.cache/huggingface/hub
      what Python demucs has downloaded; any other folder with the files does as well
`;

export async function pull(name: string, flags: PullFlags): Promise<void> {
  const config = readConfig(process.env);
  // Loading libtorch takes a moment, which help and bad usage need not wait for.
  const { pullEngine } = await import('../pull.js');
  const engine = pullEngine(config);
  const abort = new AbortController();
  const view = pullView();
  const restoreSignals = dieCleanly(() => {
    view.stop();
    say('Stopped. Run the command again to go on from here');
    abort.abort(new OxboardError('ABORTED', 'Stopped'));
  });
  try {
    const result = await pullModel(name, {
      ...engine,
      modelsDir: flags.modelsDir ?? config.modelsDir,
      source: flags.source,
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
      `  ${file}  ${megabytes(size)}  SHA-256 ${sha256.slice(0, 16)}, ${CHECKS[check]}`,
  );
  process.stdout.write(
    `${name} is installed in ${directory}\n${lines.join('\n')}\n` +
      `  Licence: ${description.license ?? 'unknown'}\n` +
      `Try it: oxboard separate song.mp3 --model ${name}\n`,
  );
}
