/**
 * Dark or light: as the system says, until somebody chooses.
 */
import { effect, signal } from '@preact/signals';

type Theme = 'dark' | 'light';

const KEY = 'oxboard-theme';
const preferred = matchMedia('(prefers-color-scheme: dark)');
const stored = localStorage.getItem(KEY);
const chosen = signal<Theme | undefined>(
  stored === 'dark' || stored === 'light' ? stored : undefined,
);
const system = signal<Theme>(preferred.matches ? 'dark' : 'light');
preferred.addEventListener('change', ({ matches }) => {
  system.value = matches ? 'dark' : 'light';
});

export const theme = (): Theme => chosen.value ?? system.value;

export function toggleTheme(): void {
  chosen.value = theme() === 'dark' ? 'light' : 'dark';
  localStorage.setItem(KEY, chosen.value);
}

effect(() => {
  document.documentElement.dataset.theme = theme();
});
