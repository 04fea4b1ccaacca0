/**
 * One worker process.
 */
import path from 'node:path';
import { fetchFile } from '../../intake/source-url/fetch-file.js';
import { readCookies } from '../../intake/youtube/cookies.js';
import { fetchSong } from '../../intake/youtube/fetch-song.js';
import { createClaims } from '../../queue/claims.js';
import { startDownloader } from '../../worker/downloader.js';
import { createDownloads } from '../../queue/downloads.js';
import { createJanitor } from '../../queue/janitor.js';
import { observeQueue } from '../../queue/observation.js';
import { startWorker } from '../../worker/worker.js';
import { createWorkers } from '../../queue/workers.js';
import { startAutoPull } from './auto-pull.js';
import { openQueue } from './open-queue.js';
import type { RoleDependencies, RunningRole } from './role.js';

/** @throws what readCookies, Redis, storage and startWorker throw. */
export async function startWorkerProcess({
  config,
  logger,
  metrics,
  tracer,
}: RoleDependencies): Promise<RunningRole> {
  if (config.youtubeCookiesFile !== undefined) await readCookies(config.youtubeCookiesFile);
  const { redis, dispatcher, downloadDispatcher, storage, jobTtl, sweeper } = await openQueue(
    'worker',
    { config, logger, metrics },
  );
  const claims = createClaims(redis, { dispatcher, jobTtl, logger, metrics });
  const janitor = createJanitor(redis, { storage, logger });
  const pull = await startAutoPull({ config, logger });
  const worker = await startWorker({
    config,
    claims,
    workers: createWorkers(redis),
    dispatcher,
    storage,
    logger,
    metrics,
    tracer,
    pulling: pull.state,
  });
  const youtube = {
    ytDlpPath: config.ytDlpPath,
    allowedHosts: config.youtubeHosts,
    format: config.youtubeFormat,
    cookiesFile: config.youtubeCookiesFile,
    proxy: config.youtubeProxy,
    maxDuration: Math.min(config.maxDuration, config.youtubeMaxDuration),
    maxFileSize: config.maxFileSize,
    cacheDirectory: path.join(config.youtubeDownloadDir, 'cache'),
  };
  const files = { allowedHosts: config.sourceUrlHosts, maxFileSize: config.maxFileSize };
  const downloader = await startDownloader({
    downloads: createDownloads(redis, { claims, dispatcher, downloadDispatcher, jobTtl, metrics }),
    dispatcher: downloadDispatcher,
    storage,
    fetchSong: ({ kind, url }, options) =>
      kind === 'youtube' ? fetchSong(url, youtube, options) : fetchFile(url, files, options),
    directory: config.youtubeDownloadDir,
    maxDurations: { youtube: youtube.maxDuration, url: config.maxDuration },
    logger,
    metrics,
    tracer,
  });
  sweeper.start();
  janitor.start();
  const observation = observeQueue(redis, metrics, logger);

  const { name, embedded, description } = worker.defaultModel;
  return {
    facts: {
      model: name,
      embedded,
      notice: description.notice ?? '',
      device: worker.device,
    },
    async stop(graceMs) {
      observation.stop();
      await Promise.all([
        worker.stop({ graceMs }),
        downloader.stop({ graceMs }),
        pull.stop(),
        sweeper.stop(),
        janitor.stop(),
      ]);
      await redis.close();
    },
  };
}
