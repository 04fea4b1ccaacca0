/** One job: how far it is, its mixer, its files, and what made it. */
import { useEffect, useMemo } from 'preact/hooks';
import type { Job } from '../../client/index.js';
import { clock, duration } from '../state/format.js';
import { jobsChanged } from '../state/library.js';
import { isRunning, OpenSong } from '../state/open-song.js';
import { go, HOME } from '../state/route.js';
import { retryOf } from '../state/uploads.js';
import { Icon } from './icons.js';
import { Mixer } from './mixer.js';
import { stageText } from './stages.js';
import { TakeAway } from './take-away.js';
import { Trust } from './trust.js';

export function SongPage({ id }: { id: string }) {
  const song = useMemo(() => new OpenSong(id), [id]);
  useEffect(() => () => song.dispose(), [song]);
  const job = song.job.value;
  if (song.gone.value) return <Gone />;
  return (
    <article class="song">
      <div class="song-head">
        <a class="plain back" href={HOME} aria-label="All songs" title="All songs">
          <Icon name="back" />
        </a>
        <h1 dir="auto" title={job?.name}>
          {job?.name ?? 'Loading'}
        </h1>
        {job && <JobActions song={song} job={job} />}
      </div>
      {song.failure.value !== undefined && (
        <p class="banner" role="alert">
          <Icon name="warning" /> {song.failure.value}
        </p>
      )}
      {job && (
        <>
          <State job={job} />
          <Warnings job={job} />
          {song.player.value && <Mixer song={song} player={song.player.value} />}
          {job.result && <TakeAway song={song} job={job} />}
          <Trust job={job} />
        </>
      )}
    </article>
  );
}

function Gone() {
  useEffect(() => void jobsChanged(), []);
  return (
    <div class="centered">
      <h1>This song is not here any more</h1>
      <p class="quiet">
        Songs are deleted some time after they are done, or by somebody who wants that.
      </p>
      <a class="button primary" href={HOME}>
        Add a song
      </a>
    </div>
  );
}

/** What the song has lost, and options that had no effect. */
function Warnings({ job: { warnings } }: { job: Job }) {
  if (warnings.length === 0) return null;
  return (
    <ul class="warnings" aria-label="Warnings">
      {warnings.map(({ code, message, atSeconds }) => (
        <li key={`${code} ${String(atSeconds)}`}>
          <Icon name="warning" size={16} />
          <span>
            {atSeconds === null ? '' : `At ${clock(atSeconds)}: `}
            {message}
          </span>
        </li>
      ))}
    </ul>
  );
}

function JobActions({ song, job }: { song: OpenSong; job: Job }) {
  const running = isRunning(job);
  return (
    <button
      aria-label={running ? 'Cancel' : 'Delete'}
      onClick={() => {
        if (!running && !confirm(`Delete "${job.name}" and its stems?`)) return;
        void song.remove().then(() => {
          if (!running) go(HOME);
        });
      }}
    >
      <Icon name={running ? 'close' : 'trash'} size={16} />
      <span class="wide-only">{running ? 'Cancel' : 'Delete'}</span>
    </button>
  );
}

function Retry({ job }: { job: Job }) {
  const retry = retryOf(job);
  return retry ? (
    <button onClick={retry}>
      <Icon name="restart" size={16} /> Try again
    </button>
  ) : (
    <p class="quiet">To try again, add the song once more.</p>
  );
}

/** What happens to the job now; nothing once it is completed. */
function State({ job }: { job: Job }) {
  switch (job.status) {
    case 'pending':
      return (
        <div class="state" role="status">
          <Icon name="clock" />
          <div>
            <strong>
              {job.queuePosition === null || job.queuePosition <= 1
                ? 'Next in the queue'
                : `Place ${String(job.queuePosition)} in the queue`}
            </strong>
            {job.etaSeconds !== null && (
              <p class="quiet">Starts in about {duration(job.etaSeconds)}.</p>
            )}
          </div>
        </div>
      );
    case 'processing':
      return (
        <div class="state running">
          <progress max={100} value={job.progress} aria-label="Progress" />
          <p role="status">
            <strong>{stageText(job.stage)}</strong>
            <span class="quiet">
              {Math.floor(job.progress)} %
              {job.playback?.chunksReady ? ' · you can listen already' : ''}
            </span>
          </p>
        </div>
      );
    case 'failed':
      return (
        <div class="state failed" role="alert">
          <Icon name="warning" />
          <div>
            <strong>{job.error ?? 'The job failed.'}</strong>
            <p class="quiet">{job.errorCode && <code>{job.errorCode}</code>}</p>
            <Retry job={job} />
          </div>
        </div>
      );
    case 'cancelled':
      return (
        <div class="state" role="status">
          <Icon name="close" />
          <div>
            <strong>Cancelled</strong>
            <Retry job={job} />
          </div>
        </div>
      );
    case 'completed':
      return null;
  }
}
