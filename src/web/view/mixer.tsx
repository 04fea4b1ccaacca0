/** The mixer: a ruler, one lane for each stem, and the transport. */
import { useSignal, useSignalEffect, type Signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Player } from '../audio/player.js';
import { clock } from '../state/format.js';
import type { OpenSong } from '../state/open-song.js';
import { Lane } from './lane.js';
import { useMixerKeys } from './mixer-keys.js';
import { partStyle } from './part-style.js';
import { Ruler } from './ruler.js';
import { Transport } from './transport.js';
import { useFrames } from './use-frames.js';

/** How far the wheel zooms with one step. */
const WHEEL_ZOOM = 1.0015;

export function Mixer({ song, player }: { song: OpenSong; player: Player }) {
  const position = useSignal(player.position);
  useFrames(() => {
    const before = song.viewport.percentOf(position.value);
    position.value = player.position;
    // Somebody who looks at another part stays there.
    if (player.playing.value && before >= 0 && before <= 100) song.viewport.follow(position.value);
  });
  useMixerKeys(song, player);
  const rate = player.context.sampleRate;
  return (
    <section class="mixer" aria-label="Mixer">
      <div class="lanes">
        <Ruler song={song} player={player} />
        {song.stems.value.map((name) => (
          <Lane key={name} name={name} song={song} player={player} />
        ))}
        <TimeLayer song={song} player={player} position={position} />
      </div>
      <Scroll song={song} />
      {player.waiting.value && (
        <p class="waiting" role="status">
          Waiting for {clock(position.value / rate)} to be separated
        </p>
      )}
      <Transport song={song} player={player} position={position} />
    </section>
  );
}

/** Over the waveforms: what is not there yet, the loop and the position. It takes clicks and wheels. */
function TimeLayer({
  song,
  player,
  position,
}: {
  song: OpenSong;
  player: Player;
  position: Signal<number>;
}) {
  const { viewport } = song;
  const ref = useRef<HTMLDivElement>(null);
  const playhead = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const layer = ref.current;
    if (!layer) return undefined;
    const observer = new ResizeObserver(([entry]) => {
      if (entry)
        viewport.setSize(
          entry.contentRect.width,
          entry.contentRect.height / song.stems.value.length,
        );
    });
    observer.observe(layer);
    const onWheel = (event: WheelEvent) => {
      const x = event.clientX - layer.getBoundingClientRect().left;
      const { start, span, width } = viewport.shown.value;
      if (event.ctrlKey || event.metaKey) {
        viewport.zoomBy(WHEEL_ZOOM ** -event.deltaY, viewport.frameAt(x));
      } else {
        const delta = event.shiftKey ? event.deltaY : event.deltaX;
        if (delta === 0) return;
        viewport.scrollTo(start + (delta / width) * span);
      }
      event.preventDefault();
    };
    layer.addEventListener('wheel', onWheel, { passive: false });
    return () => {
      observer.disconnect();
      layer.removeEventListener('wheel', onWheel);
    };
  }, [song, viewport]);
  useSignalEffect(() => {
    const percent = viewport.percentOf(position.value);
    const line = playhead.current;
    if (!line) return;
    line.style.translate = `${String((percent / 100) * viewport.shown.value.width)}px 0`;
    line.hidden = percent < 0 || percent > 100;
  });
  const loop = player.loop.value;
  const ready = viewport.percentOf(song.readyFrames.value);
  return (
    <div
      ref={ref}
      class="time-layer"
      onClick={({ clientX, currentTarget }) =>
        player.seek(viewport.frameAt(clientX - currentTarget.getBoundingClientRect().left))
      }
    >
      {ready < 100 && <div class="not-ready" style={{ left: `${String(Math.max(0, ready))}%` }} />}
      {loop && <div class="loop-part" style={partStyle(viewport, loop.from, loop.to)} />}
      <div ref={playhead} class="playhead" />
    </div>
  );
}

/** A scroll bar of the browser's own for the lanes. */
function Scroll({ song: { viewport } }: { song: OpenSong }) {
  const ref = useRef<HTMLDivElement>(null);
  const zoom = viewport.zoom.value;
  useSignalEffect(() => {
    const { start } = viewport.shown.value;
    const bar = ref.current;
    if (bar) bar.scrollLeft = (start / viewport.total.value) * bar.scrollWidth;
  });
  if (zoom <= 1) return null;
  return (
    <div
      ref={ref}
      class="scroll-bar"
      tabIndex={0}
      role="region"
      aria-label="Visible part of the song"
      onScroll={({ currentTarget: { scrollLeft, scrollWidth } }) => {
        const start = (scrollLeft / scrollWidth) * viewport.total.value;
        const { span: shown, width } = viewport.shown.value;
        // The bar has whole pixels: what it only rounds is left alone.
        if (Math.abs(start - viewport.shown.value.start) > (2 * shown) / width / zoom)
          viewport.scrollTo(start);
      }}
    >
      <div style={{ width: `${String(zoom * 100)}%` }} />
    </div>
  );
}
