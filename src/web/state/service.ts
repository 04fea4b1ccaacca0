/**
 * The service: its client, its state, its models and what it limits.
 */
import { computed, signal } from '@preact/signals';
import { OxboardClient, ServiceError, type Health, type ModelList } from '../../client/index.js';
import { every } from './every.js';

const KEY = 'oxboard-api-key';
const POLL_MS = 10_000;

/** Kept until the tab is closed. */
const apiKey = signal(sessionStorage.getItem(KEY) ?? undefined);

export const client = computed(
  () =>
    new OxboardClient({
      baseUrl: new URL('.', location.href).href,
      apiKey: apiKey.value,
    }),
);

/** True while the service wants a key that the page does not have. */
export const keyNeeded = signal(false);
export const keyRefused = signal(false);
export type Model = ModelList['models'][number];
export const models = signal<readonly Model[]>([]);
export const defaultModel = signal<string | null>(null);
export const health = signal<Health | undefined>(undefined);
/** False while the service does not answer. */
export const reachable = signal(true);

export function useKey(key: string): void {
  sessionStorage.setItem(KEY, key);
  apiKey.value = key;
  keyRefused.value = false;
  void refreshService();
}

/** Notes what an error says about the service as a whole. */
export function noteError(error: unknown): void {
  if (!(error instanceof ServiceError)) return;
  if (error.status === 401) {
    keyNeeded.value = true;
    keyRefused.value = apiKey.value !== undefined;
  }
  if (error.code === 'SERVICE_UNREACHABLE') reachable.value = false;
}

export async function refreshService(): Promise<void> {
  try {
    health.value = await client.value.health();
    reachable.value = true;
    const list = await client.value.models();
    models.value = list.models;
    defaultModel.value = list.defaultModel;
    keyNeeded.value = false;
  } catch (error) {
    noteError(error);
  }
}

every(POLL_MS, refreshService);
