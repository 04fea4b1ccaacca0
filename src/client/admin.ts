/**
 * A client of the operator's API: the jobs of all clients, and the workers.
 */
import type { AdminJob as AdminJobDocument } from '../http/admin-job.js';
import type { AdminJobListDocument, QueueDocument, WorkersDocument } from '../http/routes/admin.js';
import type { CamelCase } from './camel-case.js';
import {
  apiUrl,
  ask,
  bearer,
  jobsPath,
  read,
  withId,
  type CallOptions,
  type JobQuery,
  type WithId,
} from './request.js';

export type AdminJob = WithId<CamelCase<AdminJobDocument>>;
export type Queue = CamelCase<QueueDocument>;
type AnsweredWorkers = CamelCase<WorkersDocument>;
export interface WorkerList {
  workers: (Omit<AnsweredWorkers['workers'][number], 'jobs'> & { jobs: AdminJob[] })[];
  /** Jobs whose songs are being downloaded. */
  downloads: AdminJob[];
}
export interface AdminJobList {
  jobs: AdminJob[];
  /** Null on the last page. */
  nextCursor: string | null;
}

export interface AdminOptions {
  /** As of OxboardClient. */
  baseUrl: string;
  /** ADMIN_KEY of the service. */
  adminKey: string;
}

/** Every call throws ServiceError ADMIN_KEY_INVALID, and PATH_NOT_FOUND where there is no ADMIN_KEY. */
export class OxboardAdmin {
  readonly #api: URL;
  readonly #headers: Record<string, string>;

  /** @throws TypeError for a `baseUrl` that is no URL. */
  constructor({ baseUrl, adminKey }: AdminOptions) {
    this.#api = apiUrl(baseUrl);
    this.#headers = bearer(adminKey);
  }

  queue(options?: CallOptions): Promise<Queue> {
    return this.#ask<QueueDocument>('GET', 'queue', options);
  }

  async workers(options?: CallOptions): Promise<WorkerList> {
    const { workers, downloads } = await this.#ask<WorkersDocument>('GET', 'workers', options);
    return {
      workers: workers.map((worker) => ({ ...worker, jobs: worker.jobs.map(withId) })),
      downloads: downloads.map(withId),
    };
  }

  /** The newest jobs first; `nextCursor` is the `cursor` of the next page. */
  async jobs({ signal, ...query }: CallOptions & JobQuery = {}): Promise<AdminJobList> {
    const path = jobsPath(query);
    const { jobs, nextCursor } = await this.#ask<AdminJobListDocument>('GET', path, { signal });
    return { jobs: jobs.map(withId), nextCursor };
  }

  /** @throws ServiceError JOB_NOT_FOUND */
  job(id: string, options?: CallOptions): Promise<AdminJob> {
    return this.#job('GET', jobPath(id), options);
  }

  /** @throws ServiceError JOB_NOT_FOUND, JOB_ENDED */
  cancel(id: string, options?: CallOptions): Promise<AdminJob> {
    return this.#job('POST', `${jobPath(id)}/cancel`, options);
  }

  /** Tries a failed job again. @throws ServiceError JOB_NOT_FOUND, JOB_NOT_FAILED */
  retry(id: string, options?: CallOptions): Promise<AdminJob> {
    return this.#job('POST', `${jobPath(id)}/retry`, options);
  }

  /** Workers take no more jobs. */
  pause(options?: CallOptions): Promise<Queue> {
    return this.#ask<QueueDocument>('POST', 'pause', options);
  }

  resume(options?: CallOptions): Promise<Queue> {
    return this.#ask<QueueDocument>('POST', 'resume', options);
  }

  async #job(method: string, path: string, options?: CallOptions): Promise<AdminJob> {
    return withId(await this.#ask<AdminJobDocument>(method, path, options));
  }

  #ask<T>(method: string, path: string, { signal }: CallOptions = {}): Promise<CamelCase<T>> {
    const url = new URL(`admin/${path}`, this.#api);
    return ask(url, { method, headers: this.#headers, signal }, (response) => read<T>(response));
  }
}

const jobPath = (id: string): string => `jobs/${encodeURIComponent(id)}`;
