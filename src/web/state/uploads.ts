/**
 * Songs on their way to the service.
 */
import { signal, type Signal } from '@preact/signals';
import type { Job, SeparateOptions } from '../../client/index.js';
import { jobsChanged } from './library.js';
import { explain } from './explain.js';
import { choice } from './options.js';
import { go, jobHref, route } from './route.js';
import { client, health, noteError } from './service.js';

export interface Upload {
  id: number;
  name: string;
  /** Bytes; undefined for a link. */
  size: number | undefined;
  /** From 0 to 1. */
  progress: Signal<number>;
  /** Why it was refused, as a sentence. */
  failure: Signal<string | undefined>;
  cancel: () => void;
  retry: () => void;
}

type Source = File | { link: string };

/** What the jobs of this tab were made of. The songs of other jobs are not on this machine. */
const sent = new Map<string, { source: Source; options: SeparateOptions }>();

/** Uploads at the same time: more would only share the same line. */
const AT_ONCE = 2;

export const uploads = signal<readonly Upload[]>([]);
let lastId = 0;
let running = 0;
const waiting: (() => void)[] = [];

/** Sends songs, one after the other. The page opens the job of a single one. */
export function send(sources: readonly Source[]): void {
  const open = sources.length === 1;
  for (const source of sources) add(source, open);
}

/** How a job can be made once more; undefined when its song is not at hand. */
export function retryOf({ id, youtubeUrl }: Job): (() => void) | undefined {
  const song =
    sent.get(id) ??
    (youtubeUrl === null ? undefined : { source: { link: youtubeUrl }, options: chosenOptions() });
  return song && (() => add(song.source, true, song.options));
}

function chosenOptions(): SeparateOptions {
  const { model, stems, format } = choice.value;
  return {
    format,
    ...(model === undefined ? {} : { model }),
    ...(stems === 'all' ? {} : { twoStems: stems }),
  };
}

function add(source: Source, open: boolean, options?: SeparateOptions): void {
  const id = ++lastId;
  const abort = new AbortController();
  const isFile = source instanceof File;
  const remove = () => {
    uploads.value = uploads.value.filter((upload) => upload.id !== id);
  };
  const upload: Upload = {
    id,
    name: isFile ? source.name : source.link,
    size: isFile ? source.size : undefined,
    progress: signal(0),
    failure: signal(tooLarge(source)),
    cancel() {
      abort.abort();
      remove();
    },
    retry() {
      remove();
      add(source, open, options);
    },
  };
  uploads.value = [...uploads.value, upload];
  if (upload.failure.value === undefined)
    void inTurn(() => transfer(upload, { source, options, open, remove }, abort.signal));
}

/** What can be said before anything is sent. */
function tooLarge(source: Source): string | undefined {
  const most = health.value?.limits.fileBytes;
  if (!(source instanceof File) || most === undefined || source.size <= most) return undefined;
  return `The file is larger than ${String(Math.floor(most / 1e6))} MB, which is the limit here.`;
}

interface Transfer {
  source: Source;
  /** By default what is chosen when its turn comes. */
  options: SeparateOptions | undefined;
  /** Whether the page opens its job. */
  open: boolean;
  remove: () => void;
}

async function transfer(
  { progress, failure }: Upload,
  { source, options = chosenOptions(), open, remove }: Transfer,
  signal_: AbortSignal,
): Promise<void> {
  const isOver = () => signal_.aborted;
  if (isOver()) return;
  const before = route.value;
  try {
    const job = await client.value.submit(
      source instanceof File ? source : { youtubeUrl: source.link },
      options,
      {
        signal: signal_,
        onUpload: ({ sentBytes, totalBytes }) => {
          progress.value = sentBytes / totalBytes;
        },
      },
    );
    sent.set(job.id, { source, options });
    remove();
    await jobsChanged();
    if (open && route.value === before) go(jobHref(job.id));
  } catch (error) {
    if (isOver()) return;
    noteError(error);
    failure.value = explain(error);
  }
}

async function inTurn(work: () => Promise<void>): Promise<void> {
  if (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  running++;
  try {
    await work();
  } finally {
    running--;
    waiting.shift()?.();
  }
}
