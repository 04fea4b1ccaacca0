/**
 * Claims a job at each wake-up and downloads its song, as many at a time as it has slots. What a link
 * does, and how long that takes, is no matter of the workers'.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { diskError } from '../lib/disk.js';
import type { Dispatcher } from '../jobs/ports.js';
import { Interruption } from './interruption.js';
import type { Patience } from './patience.js';
import { openWorkFolder } from './work-folder.js';
import { runDownload, type DownloadContext } from './run-download.js';

/** They wait for a network nearly all of the time; more would look like an attack to a site. */
const CONCURRENCY = 2;
const RENEWAL_MS = 5_000;
const PATIENCE: Patience = [2_000, 15_000, 60_000];

export interface DownloaderDependencies
  extends
    Omit<DownloadContext, 'stopping' | 'renewalMs' | 'patience'>,
    Partial<Pick<DownloadContext, 'renewalMs' | 'patience'>> {
  /** Closed by `stop`. */
  dispatcher: Pick<Dispatcher, 'listen' | 'close'>;
}

export interface RunningDownloader {
  /**
   * Takes no more jobs and lets those that run come to their end, for so many milliseconds; then they
   * go back to the queue.
   */
  stop(options: { graceMs: number }): Promise<void>;
}

/**
 * Starts a downloader. What killed ones left in `directory` is removed.
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
  const id = `${hostname()}-${String(process.pid)}-${randomUUID().slice(0, 8)}`;
  const end = new AbortController();
  const running = new Set<Promise<void>>();
  let stopping = false;
  const context: DownloadContext = {
    renewalMs: RENEWAL_MS,
    patience: PATIENCE,
    ...dependencies,
    directory: folder.directory,
    stopping: end.signal,
  };

  const work = async () => {
    if (stopping) return;
    try {
      const claim = await downloads.claim(id);
      if (claim) await runDownload(context, claim);
    } catch (error) {
      // Only the wake-up is lost: the sweeper sends another for the job.
      logger.warn('claim_failed', { error });
    }
  };
  dispatcher.listen(CONCURRENCY, () => {
    const working = work().finally(() => running.delete(working));
    running.add(working);
    return working;
  });

  const idle = async () => {
    while (running.size > 0) await Promise.all(running);
  };
  return {
    async stop({ graceMs }) {
      stopping = true;
      const closed = dispatcher.close();
      const grace = new AbortController();
      await Promise.race([
        idle(),
        setTimeout(graceMs, undefined, { signal: grace.signal }).catch(() => undefined),
      ]);
      grace.abort();
      end.abort(new Interruption('stopping'));
      await idle();
      await closed;
      await folder.remove();
    },
  };
}
