/**
 * A downloader: gets the songs of jobs that have a link. It has slots of its own, so that slow
 * downloads do not keep workers from separating.
 */
import { diskError } from '../lib/disk.js';
import type { DownloadClaim, Dispatcher } from '../jobs/ports.js';
import { Host } from './host.js';
import { RENEWAL_MS } from './lease.js';
import { openWorkFolder } from './work-folder.js';
import { runDownload, type DownloadContext } from './run-download.js';

/** Downloads mostly wait for the network; more at a time would look like an attack to a site. */
const SLOTS = 2;
const RETRY_DELAYS_MS = [2_000, 15_000, 60_000];

type Timing = Pick<DownloadContext, 'renewalMs' | 'retryDelaysMs'>;

export interface DownloaderDependencies
  extends Omit<DownloadContext, 'stopping' | keyof Timing>, Partial<Timing> {
  /** Closed by `stop`. */
  dispatcher: Pick<Dispatcher, 'listen' | 'close'>;
}

export interface RunningDownloader {
  /**
   * Claims no more jobs and lets those that run come to their end, for so many milliseconds; then they
   * go back to the queue.
   */
  stop(options: { graceMs: number }): Promise<void>;
}

/**
 * Starts a downloader. It removes what killed ones left in `directory`.
 *
 * @throws OxboardError OUTPUT_UNWRITABLE, DISK_FULL
 */
export async function startDownloader({
  dispatcher,
  directory,
  ...dependencies
}: DownloaderDependencies): Promise<RunningDownloader> {
  const { downloads, logger } = dependencies;
  const folder = await openWorkFolder(directory).catch((error: unknown) => {
    const place = {
      name: 'YOUTUBE_DOWNLOAD_DIR',
      advice: 'Free some space, or name another folder',
    };
    throw diskError(error, place);
  });
  const host = new Host<DownloadClaim>({
    dispatcher,
    slots: SLOTS,
    claim: (workerId) => downloads.claim(workerId),
    run: (claim) => runDownload(context, claim),
    logger,
  });
  const context: DownloadContext = {
    renewalMs: RENEWAL_MS,
    retryDelaysMs: RETRY_DELAYS_MS,
    ...dependencies,
    directory: folder.directory,
    stopping: host.stopping,
  };
  host.start();
  return {
    async stop({ graceMs }) {
      await host.stop(graceMs);
      await folder.remove();
    },
  };
}
