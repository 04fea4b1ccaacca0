/**
 * Announces a service that has started: its addresses, who may use it, its model and data folder.
 */
import type { ServiceConfig } from '../../config.js';
import { isLoopback } from '../../lib/loopback.js';
import type { Logger } from '../../observability/logger.js';
import { say } from '../report.js';
import { packageVersion } from '../../lib/package-version.js';
import type { Facts, Role } from './role.js';

/** As text in development, as a line of the log in production. */
export function announce(
  config: ServiceConfig,
  facts: Partial<Record<Role, Facts>>,
  logger: Logger,
): void {
  const { api, worker } = facts;
  const origin = api && `http://${reachable(config.host)}:${config.port}`;
  const url = origin && `${origin}${config.basePath}`;
  const access = whoMayUse(config);
  if (config.environment === 'production') {
    if (api) logger[access.open ? 'warn' : 'info']('service_access', { access: access.sentence });
    logger.info('service_ready', {
      version: packageVersion,
      ...(url !== undefined && { url: `${url}/api/v1`, docs: `${url}/api/v1/docs` }),
      ...worker,
      data_dir: config.dataDir,
    });
    return;
  }
  const lines = [
    ...(url === undefined
      ? []
      : [
          ['Page', `${url}/`],
          ['API', `${url}/api/v1`],
          ['Access', access.sentence],
          ['Reference', `${url}/api/v1/docs`],
          ['Metrics', `http://${reachable(config.host)}:${config.metricsPort}/metrics`],
        ]),
    ...(worker ? [['Model', modelLine(worker)]] : []),
    ['Data', config.dataDir],
  ];
  say(
    [
      '',
      `OX Board Demucs ${packageVersion}`,
      ...lines.map(([name = '', text = '']) => `  ${name.padEnd(10)} ${text}`),
      ...(url === undefined ? [] : ['', `  curl -F file=@song.mp3 ${url}/api/v1/stemify`]),
      '',
    ].join('\n'),
  );
}

/**
 * Who may use the API, and from where.
 *
 * @returns the sentence; `open` if that is anyone in a network.
 */
export function whoMayUse({
  host,
  apiKeys,
  corsOrigins,
}: Pick<ServiceConfig, 'host' | 'apiKeys' | 'corsOrigins'>): { sentence: string; open: boolean } {
  const local = isLoopback(host);
  const keyed = apiKeys.length > 0;
  const network = ALL_ADDRESSES.includes(host)
    ? 'every network of this machine'
    : `the network of ${host}`;
  const clients = `${keyed ? 'clients with an API key' : 'anyone'}, from ${local ? 'this machine only' : network}`;
  const pages = corsOrigins.includes('*') ? 'any site' : corsOrigins.join(', ');
  const open = !keyed && !local;
  return {
    open,
    sentence:
      clients +
      (pages === '' ? '' : `, and web pages of ${pages}`) +
      (open ? '. To restrict this, set API_KEYS or HOST=127.0.0.1' : ''),
  };
}

function modelLine({ model, device, embedded, notice }: Facts): string {
  const line = `${String(model)} on ${String(device)}`;
  if (embedded !== true) return line;
  const words = typeof notice === 'string' && notice !== '' ? notice : 'small';
  return `${line}, which comes with the package (${words}). Better ones: oxboard models pull htdemucs`;
}

const ALL_ADDRESSES = ['0.0.0.0', '::'];

const reachable = (host: string): string => {
  if (ALL_ADDRESSES.includes(host)) return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
};
