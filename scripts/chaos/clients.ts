/**
 * Clients of the service: they post songs, listen, ask, cancel and remove, and note what they are told.
 * A request that gets no answer, or a 503, is sent again until it gets one.
 */
import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createParser } from 'eventsource-parser';
import { isFinal, type History, type KnownJob } from './history.js';
import { unlike, type Recipe } from './songs.js';

const RETRY_MS = 400;
const POLL_MS = 300;
const REQUEST_TIMEOUT_MS = 20_000;
/** Without anything for so long (the service sends heartbeats), a listener connects again. */
const SILENCE_MS = 40_000;

export interface JobState {
  job_id: string;
  status: string;
  progress: number;
  error: unknown;
  error_code?: string;
  result: { stems: Record<string, { url: string; sha256: string; size_bytes: number }> } | null;
}

interface Answer<T> {
  status: number;
  body: T;
}

export class Clients {
  readonly #url: () => string;
  readonly #history: History;
  readonly #random: () => number;

  /** @param url of the API, under /api/v1. */
  constructor(url: () => string, history: History, random: () => number) {
    this.#url = url;
    this.#history = history;
    this.#random = random;
  }

  /**
   * Posts songs, one at a time, until `signal` is aborted; then finishes with the last.
   *
   * @param end aborted when even that must end.
   */
  async work(recipes: readonly Recipe[], signal: AbortSignal, end: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const recipe = this.#choose(recipes);
      const job = await this.post(recipe, end);
      const listening = this.#listen(job, end);
      await this.#useJob(job, end);
      if (job.deleteSentAt === undefined) await listening;
    }
  }

  /** Posts a song until it is taken. */
  async post(recipe: Recipe, end: AbortSignal): Promise<KnownJob> {
    const song = this.#random() < 0.75 ? unlike(recipe.song, this.#random()) : recipe.song;
    const key = randomUUID();
    const id = await this.#send(recipe, song, key, end);
    const job: KnownJob = {
      id,
      recipe: recipe.name,
      admittedAt: Date.now(),
      events: [],
      states: [],
      replays: [],
    };
    this.#history.jobs.push(job);
    if (this.#random() < 0.2) {
      job.replays.push({ id: await this.#send(recipe, song, key, end), at: Date.now() });
    }
    return job;
  }

  /** Asks for a job until there is an answer; undefined: there is no such job. */
  async state(id: string, end: AbortSignal): Promise<JobState | undefined> {
    const { status, body } = await this.#ask<JobState>('GET', `/jobs/${id}`, end);
    return status === 200 ? body : undefined;
  }

  /** Ids of all jobs that the service lists. */
  async list(end: AbortSignal): Promise<string[]> {
    const ids: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const { body }: Answer<{ jobs: JobState[]; next_cursor: string | null }> = await this.#ask(
        'GET',
        `/jobs?limit=100${query}`,
        end,
      );
      ids.push(...body.jobs.map(({ job_id: id }) => id));
      cursor = body.next_cursor;
    }
    return ids;
  }

  /** @returns whether there was such a job. */
  async remove(id: string, end: AbortSignal): Promise<boolean> {
    return (await this.#ask('DELETE', `/jobs/${id}`, end)).status === 204;
  }

  /** The SHA-256 of each stem's bytes, as they are downloaded. */
  async stems(state: JobState, end: AbortSignal): Promise<Record<string, string>> {
    const sums: Record<string, string> = {};
    for (const [name, { url }] of Object.entries(state.result?.stems ?? {})) {
      const response = await fetch(new URL(url, this.#url()), { signal: end });
      const bytes = Buffer.from(await response.arrayBuffer());
      sums[name] = response.ok
        ? createHash('sha256').update(bytes).digest('hex')
        : `status ${String(response.status)}`;
    }
    return sums;
  }

  #choose<T>(values: readonly T[]): T {
    return values[Math.floor(this.#random() * values.length)] as T;
  }

  /** Waits for the job's end, or cancels it before; removes some that have ended. */
  async #useJob(job: KnownJob, end: AbortSignal): Promise<void> {
    const plan = this.#random();
    const cancelAt = plan < 0.15 ? Date.now() + this.#random() * 4_000 : Infinity;
    for (;;) {
      if (Date.now() >= cancelAt) {
        await this.#delete(job, end);
        return;
      }
      const state = await this.state(job.id, end);
      // It was admitted in a second that Redis lost.
      if (!state) return;
      job.states.push({ at: Date.now(), status: state.status, progress: state.progress });
      if (isFinal(state.status)) break;
      await sleep(POLL_MS, undefined, { signal: end });
    }
    if (plan > 0.8) await this.#delete(job, end);
  }

  async #delete(job: KnownJob, end: AbortSignal): Promise<void> {
    job.deleteSentAt = Date.now();
    await this.remove(job.id, end);
    job.deletedAt = Date.now();
  }

  async #send(recipe: Recipe, song: Buffer, key: string, end: AbortSignal): Promise<string> {
    const form = () => {
      const data = new FormData();
      for (const [name, value] of Object.entries(recipe.fields)) data.set(name, value);
      data.set('file', new Blob([new Uint8Array(song)]), `${recipe.name}.wav`);
      return data;
    };
    const { status, body } = await this.#ask<{ job_id: string }>('POST', '/stemify', end, {
      headers: { 'Idempotency-Key': key },
      form,
    });
    if (status === 202) return body.job_id;
    throw new Error(`POST /stemify answered ${String(status)}: ${JSON.stringify(body)}`);
  }

  /** Repeats a request until it has an answer that is none of an outage. */
  async #ask<T>(
    method: string,
    target: string,
    end: AbortSignal,
    { headers = {}, form }: { headers?: Record<string, string>; form?: () => FormData } = {},
  ): Promise<Answer<T>> {
    for (;;) {
      const answer = await this.#once<T>(method, target, { headers, form }, end);
      end.throwIfAborted();
      if (answer && answer.status < 500) return answer;
      if (answer && ![502, 503, 507].includes(answer.status)) {
        const { status, body } = answer;
        this.#history.wrongAnswers.push(
          `${method} ${target} answered ${String(status)}: ${JSON.stringify(body)}`,
        );
      }
      await sleep(RETRY_MS, undefined, { signal: end });
    }
  }

  /** Undefined: no answer, or none that is whole. */
  async #once<T>(
    method: string,
    target: string,
    { headers, form }: { headers: Record<string, string>; form?: (() => FormData) | undefined },
    end: AbortSignal,
  ): Promise<Answer<T> | undefined> {
    try {
      const response = await fetch(`${this.#url()}${target}`, {
        method,
        headers,
        signal: AbortSignal.any([end, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
        ...(form && { body: form() }),
      });
      const text = await response.text();
      return {
        status: response.status,
        body: (text === '' ? undefined : JSON.parse(text)) as T,
      };
    } catch {
      return undefined;
    }
  }

  /** Notes the events of a job, over as many connections as it takes. */
  async #listen(job: KnownJob, end: AbortSignal): Promise<void> {
    let lastId: string | undefined;
    const hasEnded = () => end.aborted || isFinal(job.events.at(-1)?.status ?? '');
    while (!hasEnded()) {
      const silence = new AbortController();
      let timer = setTimeout(() => silence.abort(), SILENCE_MS);
      const parser = createParser({
        onEvent: ({ id, data }) => {
          if (id !== undefined) lastId = id;
          const { status, progress } = JSON.parse(data) as JobState;
          job.events.push({ at: Date.now(), status, progress });
        },
      });
      try {
        const response = await fetch(`${this.#url()}/jobs/${job.id}/events`, {
          headers: lastId === undefined ? {} : { 'Last-Event-ID': lastId },
          signal: AbortSignal.any([end, silence.signal]),
        });
        // The last event was received, or the job is gone.
        if (response.status === 204 || response.status === 404) return;
        const text = response.body?.pipeThrough(new TextDecoderStream()) ?? [];
        for await (const chunk of text as AsyncIterable<string>) {
          clearTimeout(timer);
          timer = setTimeout(() => silence.abort(), SILENCE_MS);
          if (response.ok) parser.feed(chunk);
        }
      } catch {
        // The connection broke: another one goes on after the last event.
      } finally {
        clearTimeout(timer);
      }
      if (!hasEnded()) await sleep(RETRY_MS);
    }
  }
}
