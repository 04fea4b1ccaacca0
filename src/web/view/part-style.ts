import type { Viewport } from '../state/viewport.js';

/** Where a part of the song is on the screen, cut to what is visible. */
export function partStyle(
  viewport: Viewport,
  from: number,
  to: number,
): { left: string; width: string } {
  const left = Math.max(0, viewport.percentOf(from));
  const right = Math.min(100, viewport.percentOf(to));
  return { left: `${String(left)}%`, width: `${String(Math.max(0, right - left))}%` };
}
