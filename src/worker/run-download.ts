/**
 * One attempt to download the song of a job.
 */
import { OxboardError } from '../errors.js';
import { costSeconds } from '../jobs/cost.js';
import type { Job, LinkSource, SongLink } from '../jobs/job.js';
import type { DownloadClaim, DownloadedSong, Downloads } from '../jobs/ports.js';
import { runAttempt, type AttemptContext } from './attempt.js';
import { downloadSong, type SongContext } from './download-song.js';
import { lengthLimit } from './length-limit.js';
import { DOWNLOADED } from './progress.js';

export interface DownloadContext extends AttemptContext, SongContext {
  downloads: Downloads;
  /** Seconds of the longest song that is accepted, by kind of link. */
  maxDurations: Record<SongLink['kind'], number>;
}

/** Never rejects; see attempt.ts. */
export function runDownload(context: DownloadContext, claim: DownloadClaim): Promise<void> {
  const { downloads, storage, metrics, maxDurations } = context;
  const { job, attempt } = claim;
  const { options } = job.request;
  const link = linkOf(job);
  const maxDuration = maxDurations[link.kind];
  return runAttempt<DownloadedSong>(context, {
    name: 'download',
    lease: claim,
    queue: downloads,
    attempt,
    active: metrics.downloadsActive,
    work: (progress, signal) =>
      downloadSong(context, {
        jobId: job.id,
        link,
        track: options.track,
        checkLength: lengthLimit(options, link.model, maxDuration),
        signal,
        onProgress: (fraction) => progress.report('downloading', fraction),
      }),
    complete: (song) =>
      downloads.downloaded(claim, song, {
        costSeconds: costSeconds(options, link.model, song.durationSeconds ?? maxDuration),
        progress: DOWNLOADED,
      }),
    discard: ({ key }) => storage.remove(key),
    count(end, seconds) {
      const { outcome } = end;
      metrics.downloads.inc({ outcome: outcome === 'failed' ? end.code : outcome });
      if (outcome === 'failed') metrics.jobsTotal.inc({ status: 'download_failed' });
      if (outcome === 'completed') metrics.downloadSeconds.observe(seconds);
    },
  });
}

function linkOf({ request: { source } }: Job): LinkSource {
  if (source.kind === 'upload') throw new OxboardError('INTERNAL', 'The job has no link');
  return source;
}
