/**
 * What the page shows, as the hash of its URL: the URL of a job opens that job.
 */
import { signal, type ReadonlySignal } from '@preact/signals';

export type Route = { name: 'home' } | { name: 'job'; id: string } | { name: 'service' };

function parse(hash: string): Route {
  const [, place, id] = hash.replace(/^#/, '').split('/');
  if (place === 'jobs' && id) return { name: 'job', id: decodeURIComponent(id) };
  return place === 'service' ? { name: 'service' } : { name: 'home' };
}

const current = signal(parse(location.hash));
addEventListener('hashchange', () => {
  current.value = parse(location.hash);
});

export const route: ReadonlySignal<Route> = current;
export const HOME = '#/';
export const SERVICE = '#/service';
export const jobHref = (id: string): string => `#/jobs/${encodeURIComponent(id)}`;

export function go(href: string): void {
  location.hash = href;
}
