/**
 * The jobs of this service, or of this key: newest first.
 */
import { computed, effect, signal, untracked } from '@preact/signals';
import type { JobInList } from '../../client/index.js';
import { every } from './every.js';
import { client, keyNeeded, noteError } from './service.js';

const PAGE = 100;
/** While a job runs, and while none does. */
const [BUSY_MS, IDLE_MS] = [2_000, 10_000];

export type JobStatus = JobInList['status'];

export const jobs = signal<readonly JobInList[]>([]);
/** False until the first list has come. */
export const loaded = signal(false);
export const filter = signal<JobStatus | 'all'>('all');
export const search = signal('');
/** How many pages are shown. */
const pages = signal(1);
export const more = signal(false);

const isRunning = ({ status }: { status: JobStatus }) =>
  status === 'pending' || status === 'processing';

export const shown = computed(() => {
  const words = search.value.trim().toLowerCase();
  return jobs.value.filter(({ name }) => name.toLowerCase().includes(words));
});

/** Counts the readings, so that a late answer does not replace a newer one. */
let lastReading = 0;

/** Reads the list anew. */
export async function jobsChanged(): Promise<void> {
  const reading = ++lastReading;
  try {
    const found: JobInList[] = [];
    let cursor: string | null = null;
    // A search looks through all jobs, not only through those that are shown.
    const all = search.value.trim() !== '';
    for (let page = 0; page === 0 || (cursor !== null && (all || page < pages.value)); page++) {
      const list = await client.value.jobs({
        limit: PAGE,
        ...(filter.value === 'all' ? {} : { status: filter.value }),
        ...(cursor === null ? {} : { cursor }),
      });
      if (reading !== lastReading) return;
      found.push(...list.jobs);
      cursor = list.nextCursor;
    }
    jobs.value = found;
    more.value = cursor !== null;
    loaded.value = true;
  } catch (error) {
    noteError(error);
  }
}

export function showMore(): void {
  pages.value++;
  void jobsChanged();
}

export function show(status: JobStatus | 'all'): void {
  filter.value = status;
  pages.value = 1;
  void jobsChanged();
}

// Another key has other jobs.
effect(() => {
  if (!keyNeeded.value) void untracked(jobsChanged);
});
every(() => (jobs.value.some(isRunning) ? BUSY_MS : IDLE_MS), jobsChanged);

/** Cancels a job that runs; deletes one that has ended. */
export async function remove(id: string): Promise<void> {
  try {
    await client.value.remove(id);
  } catch (error) {
    noteError(error);
  }
  await jobsChanged();
}
