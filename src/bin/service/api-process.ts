/**
 * One process of the API.
 */
import { createApi } from '../../http/app.js';
import { encodeJob } from '../../http/job-document.js';
import { createTenants } from '../../http/tenants.js';
import { createAdministration } from '../../queue/administration.js';
import { createJobs } from '../../queue/jobs.js';
import { observeQueue } from '../../queue/observation.js';
import { createDeliveries } from '../../queue/deliveries.js';
import { createPostCounts } from '../../queue/post-counts.js';
import { createResumableUploads } from '../../queue/resumable-uploads.js';
import { createWorkers } from '../../queue/workers.js';
import { openResumableStore } from '../../storage/open.js';
import { createDeliverer } from '../../webhooks/deliverer.js';
import { createSender } from '../../webhooks/sender.js';
import { withGrace } from '../../lib/timeout.js';
import { packageVersion } from '../../lib/package-version.js';
import { listen } from './ports.js';
import { openQueue } from './open-queue.js';
import type { RoleDependencies, RunningRole } from './role.js';

/** A shorter key may be guessed by trying, against a signed URL that has leaked. */
const SAFE_KEY_LENGTH = 20;

/** @throws OxboardError PORT_TAKEN, INVALID_ENVIRONMENT, and what Redis and storage throw. */
export async function startApiProcess({
  config,
  logger,
  metrics,
  tracer,
}: RoleDependencies): Promise<RunningRole> {
  const { redis, dispatcher, downloadDispatcher, storage, jobTtl, sweeper } = await openQueue(
    'api',
    { config, logger, metrics },
  );
  const resumableStore = await openResumableStore(config, config.resumableUploadTtl * 1000);
  const tenants = createTenants(config);
  const jobs = createJobs(redis, { dispatcher, downloadDispatcher, jobTtl, logger });
  const api = createApi({
    config,
    jobs,
    administration: createAdministration(redis, { jobs, dispatcher, downloadDispatcher, jobTtl }),
    workers: createWorkers(redis),
    storage,
    tenants,
    postCounts: createPostCounts(redis),
    resumable: { uploads: createResumableUploads(redis, { logger }), store: resumableStore },
    logger,
    metrics,
    tracer,
    version: packageVersion,
  });
  const { apiKeys, adminKey = [] } = config;
  if (apiKeys.concat(adminKey).some((key) => key.length < SAFE_KEY_LENGTH)) {
    logger.warn('api_key_short', { advice: 'Make keys with: openssl rand -hex 32' });
  }
  const { server } = api;
  await listen(server, { host: config.host, port: config.port, variable: 'PORT' });

  // Records and files expire also while no worker runs.
  sweeper.start();
  const observation = observeQueue(redis, metrics, logger);
  const { webhookSecret: secret, webhookAllowPrivate: allowPrivate } = config;
  const deliverer =
    secret === undefined
      ? undefined
      : createDeliverer({
          deliveries: createDeliveries(redis),
          sender: createSender({ secret, allowPrivate, version: packageVersion }),
          document: (job) => encodeJob(job, { base: config.basePath, tokens: tenants }),
          logger,
          metrics,
          tracer,
        });
  deliverer?.start();

  return {
    facts: {},
    async stop(graceMs) {
      observation.stop();
      server.close();
      await withGrace(graceMs, Promise.all([api.drain(), deliverer?.stop(graceMs)]), () =>
        server.closeAllConnections(),
      );
      server.closeAllConnections();
      await sweeper.stop();
      await dispatcher.close();
      await downloadDispatcher.close();
      await redis.close();
    },
  };
}
