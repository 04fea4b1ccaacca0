/** The songs of this service: those on their way, and those that are there. */
import type { JobInList } from '../../client/index.js';
import { bytes, dateTime, duration } from '../state/format.js';
import {
  filter,
  jobsChanged,
  loaded,
  more,
  remove,
  search,
  show,
  shown,
  showMore,
  type JobStatus,
} from '../state/library.js';
import { jobHref, route } from '../state/route.js';
import { uploads, type Upload } from '../state/uploads.js';
import { Icon } from './icons.js';
import { stageText } from './stages.js';

const FILTERS: readonly [status: JobStatus | 'all', title: string][] = [
  ['all', 'All'],
  ['pending', 'Waiting'],
  ['processing', 'Running'],
  ['completed', 'Done'],
  ['failed', 'Failed'],
  ['cancelled', 'Cancelled'],
];

export function Library() {
  return (
    <aside class="library" aria-label="Your songs">
      <div class="library-head">
        <h2>Your songs</h2>
        <select
          aria-label="Show"
          value={filter.value}
          onChange={({ currentTarget: { value } }) => show(value as JobStatus | 'all')}
        >
          {FILTERS.map(([status, title]) => (
            <option key={status} value={status}>
              {title}
            </option>
          ))}
        </select>
      </div>
      <input
        type="search"
        aria-label="Search by name"
        placeholder="Search by name"
        value={search.value}
        onInput={({ currentTarget: { value } }) => {
          search.value = value;
          void jobsChanged();
        }}
      />
      {uploads.value.length > 0 && (
        <ul class="songs">
          {uploads.value.map((upload) => (
            <UploadItem key={upload.id} upload={upload} />
          ))}
        </ul>
      )}
      <ul class="songs" aria-label="Songs">
        {shown.value.map((job) => (
          <JobItem key={job.id} job={job} />
        ))}
      </ul>
      <Nothing />
      {more.value && search.value === '' && <button onClick={showMore}>Show more</button>}
    </aside>
  );
}

function Nothing() {
  if (!loaded.value || shown.value.length > 0 || uploads.value.length > 0) return null;
  const all = filter.value === 'all' && search.value === '';
  return (
    <p class="quiet empty">
      {all ? 'The songs that you add are listed here.' : 'There is no such song.'}
    </p>
  );
}

function UploadItem({ upload }: { upload: Upload }) {
  const failure = upload.failure.value;
  const percent = Math.round(upload.progress.value * 100);
  return (
    <li class="song-item">
      <div class="song-line">
        <span class="song-name" dir="auto" title={upload.name}>
          {upload.name}
        </span>
        {failure !== undefined && (
          <button
            class="plain small"
            title="Try again"
            aria-label={`Try again: ${upload.name}`}
            onClick={upload.retry}
          >
            <Icon name="restart" size={16} />
          </button>
        )}
        <button
          class="plain small"
          title={failure === undefined ? 'Cancel' : 'Dismiss'}
          aria-label={`${failure === undefined ? 'Cancel' : 'Dismiss'}: ${upload.name}`}
          onClick={upload.cancel}
        >
          <Icon name="close" size={16} />
        </button>
      </div>
      {failure === undefined ? (
        <>
          <progress max={100} value={percent} aria-label={`Upload of ${upload.name}`} />
          <p class="song-facts">
            Uploading{upload.size === undefined ? '' : ` ${bytes(upload.size)}`}: {percent} %
          </p>
        </>
      ) : (
        <p class="failure" role="alert">
          {failure}
        </p>
      )}
    </li>
  );
}

function JobItem({ job }: { job: JobInList }) {
  const at = route.value;
  const current = at.name === 'job' && at.id === job.id;
  const over = job.status !== 'pending' && job.status !== 'processing';
  return (
    <li class="song-item" data-status={job.status}>
      <div class="song-line">
        <a
          class="song-name"
          href={jobHref(job.id)}
          dir="auto"
          title={job.name}
          aria-current={current ? 'page' : undefined}
        >
          {job.name}
        </a>
        <button
          class="plain small on-hover"
          title={over ? 'Delete' : 'Cancel'}
          aria-label={`${over ? 'Delete' : 'Cancel'}: ${job.name}`}
          onClick={() => {
            if (!over || confirm(`Delete "${job.name}" and its stems?`)) void remove(job.id);
          }}
        >
          <Icon name={over ? 'trash' : 'close'} size={16} />
        </button>
      </div>
      {job.status === 'processing' && (
        <progress max={100} value={job.progress} aria-label={`Progress of ${job.name}`} />
      )}
      <p class="song-facts">{facts(job)}</p>
    </li>
  );
}

function facts(job: JobInList): string {
  switch (job.status) {
    case 'pending': {
      const place =
        job.queuePosition === null ? 'Waiting' : `Waiting: place ${String(job.queuePosition)}`;
      return job.etaSeconds === null
        ? place
        : `${place}, starts in about ${duration(job.etaSeconds)}`;
    }
    case 'processing':
      return `${stageText(job.stage)}: ${String(Math.floor(job.progress))} %`;
    case 'completed':
      return `${job.model} · ${dateTime(job.createdAt)}`;
    case 'failed':
      return `Failed · ${dateTime(job.createdAt)}`;
    case 'cancelled':
      return `Cancelled · ${dateTime(job.createdAt)}`;
  }
}
