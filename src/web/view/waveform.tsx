/**
 * The waveform of one stem in the visible part of the song.
 */
import { useSignalEffect } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { Peaks } from '../audio/peaks.js';
import { theme } from '../state/theme.js';
import type { Viewport } from '../state/viewport.js';

/** Pixels of the screen for one bar and the gap after it. */
const BAR_PX = 3;
const GAP_PX = 1;

export function Waveform({
  peaks: peaksNow,
  viewport,
  draw,
}: {
  /** Asked before each drawing: a job that starts anew has new ones. */
  peaks: () => Peaks;
  viewport: Viewport;
  /** Read before each drawing: what changes when there is something new to draw. */
  draw: () => { loudest: number };
}) {
  const ref = useRef<HTMLCanvasElement>(null);
  useSignalEffect(() => {
    const { loudest } = draw();
    const peaks = peaksNow();
    theme();
    const { start, span, width, height } = viewport.shown.value;
    const canvas = ref.current;
    const context = canvas?.getContext('2d');
    if (!canvas || !context || width === 0) return;
    const ratio = Math.min(globalThis.devicePixelRatio, 2);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    context.scale(ratio, ratio);
    context.fillStyle = getComputedStyle(canvas).color;

    const middle = height / 2;
    const scale = loudest > 0 ? (middle - 2) / loudest : 0;
    const pixelsPerPx = span / width / peaks.framesPerPixel;
    // Bars belong to the song, not to the screen: they do not flicker while it scrolls.
    const step = BAR_PX * pixelsPerPx;
    const first = start / peaks.framesPerPixel;
    context.beginPath();
    for (let bar = Math.floor(first / step); bar * step < first + width * pixelsPerPx; bar++) {
      const from = bar * step;
      if (from >= peaks.length) break;
      const [min, max] = peaks.extremes(
        Math.max(0, Math.floor(from)),
        Math.max(Math.floor(from) + 1, Math.floor(from + step)),
      );
      const top = Math.min(middle - max * scale, middle - 0.5);
      const bottom = Math.max(middle - min * scale, middle + 0.5);
      const x = (from - first) / pixelsPerPx;
      context.roundRect(x, top, BAR_PX - GAP_PX, bottom - top, 1);
    }
    context.fill();
  });
  return <canvas ref={ref} class="waveform" aria-hidden="true" />;
}
