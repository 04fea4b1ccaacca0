/**
 * Announces a service that has started: its addresses, model and data folder.
 */
import type { ServiceConfig } from '../../config.js';
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
  const url = api && `http://${reachable(config.host)}:${config.port}`;
  if (config.environment === 'production') {
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
          ['API', `${url}/api/v1`],
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
