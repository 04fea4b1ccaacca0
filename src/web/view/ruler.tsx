/** Times above the lanes. A drag makes a loop, a click seeks. */
import { useSignal } from '@preact/signals';
import { MIN_LOOP_SECONDS, type Loop, type Player } from '../audio/player.js';
import { clock, exactClock } from '../state/format.js';
import { partStyle } from './part-style.js';
import type { OpenSong } from '../state/open-song.js';

/** Seconds between two times, of which the first that leaves room for the text is taken. */
const STEPS = [0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800];
const LABEL_PX = 72;
/** A shorter drag is a click. */
const CLICK_PX = 4;

export function Ruler({ song: { viewport }, player }: { song: OpenSong; player: Player }) {
  const drag = useSignal<Loop | undefined>(undefined);
  const rate = player.context.sampleRate;
  const { start, span, width } = viewport.shown.value;
  const secondsPerPx = span / rate / Math.max(1, width);
  const step = STEPS.find((seconds) => seconds / secondsPerPx >= LABEL_PX) ?? 3600;
  const first = Math.ceil(start / rate / step);
  const times = Array.from(
    { length: Math.max(0, Math.floor((start + span) / rate / step) - first + 1) },
    (_, i) => (first + i) * step,
    // A text at the edge would be cut.
  ).filter((seconds) => (start + span) / rate - seconds > LABEL_PX * secondsPerPx * 0.6);
  const frameAt = ({ clientX, currentTarget }: PointerEvent) =>
    viewport.frameAt(clientX - (currentTarget as Element).getBoundingClientRect().left);
  return (
    <div class="ruler-row">
      <div class="strip quiet">
        <span>Drag to loop</span>
      </div>
      <div
        class="ruler"
        onPointerDown={(event) => {
          const frame = frameAt(event);
          drag.value = { from: frame, to: frame };
          event.currentTarget.setPointerCapture(event.pointerId);
        }}
        onPointerMove={(event) => {
          if (drag.value) drag.value = { from: drag.value.from, to: frameAt(event) };
        }}
        onPointerUp={() => {
          if (!drag.value) return;
          const [from, to] = ordered(drag.value);
          drag.value = undefined;
          if (to - from < CLICK_PX * secondsPerPx * rate) player.seek(to);
          else if (to - from >= MIN_LOOP_SECONDS * rate) player.setLoop({ from, to });
        }}
        onPointerCancel={() => (drag.value = undefined)}
      >
        {drag.value && (
          <div class="loop-part" style={partStyle(viewport, ...ordered(drag.value))} />
        )}
        {times.map((seconds) => (
          <span
            key={seconds}
            class="tick"
            style={{ left: `${String(viewport.percentOf(seconds * rate))}%` }}
          >
            {step < 1 ? exactClock(seconds) : clock(seconds)}
          </span>
        ))}
      </div>
    </div>
  );
}

const ordered = ({ from, to }: Loop): [from: number, to: number] => [
  Math.round(Math.min(from, to)),
  Math.round(Math.max(from, to)),
];
