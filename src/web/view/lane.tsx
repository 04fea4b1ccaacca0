/** One stem: its name, its controls, its level and its waveform. */
import { useRef } from 'preact/hooks';
import type { Player } from '../audio/player.js';
import { Peaks } from '../audio/peaks.js';
import { decibels, stemTitle } from '../state/format.js';
import type { OpenSong } from '../state/open-song.js';
import { Slider } from './slider.js';
import { stemColor } from './stem-color.js';
import { useFrames } from './use-frames.js';
import { Waveform } from './waveform.js';

const EMPTY = new Peaks();

export function Lane({ name, song, player }: { name: string; song: OpenSong; player: Player }) {
  const { volume, pan, muted, solo } = song.mixOf(name);
  const title = stemTitle(name);
  return (
    <div
      class="lane"
      role="group"
      aria-label={title}
      data-stem={name}
      data-audible={song.isAudible(name) && !song.original.value}
      style={{ '--stem': stemColor(name) }}
    >
      <div class="strip">
        <span class="stem-name" title={title}>
          {title}
        </span>
        <div class="switches">
          <button
            class="switch mute"
            aria-pressed={muted}
            aria-label={`Mute ${title}`}
            title="Mute"
            onClick={() => song.change(name, { muted: !muted })}
          >
            M
          </button>
          <button
            class="switch solo"
            aria-pressed={solo}
            aria-label={`Solo ${title}`}
            title="Solo"
            onClick={() => song.change(name, { solo: !solo })}
          >
            S
          </button>
        </div>
        <Slider
          class="volume"
          label={`Volume of ${title}`}
          text={decibels(volume)}
          min={0}
          max={1.5}
          step={0.01}
          value={volume}
          neutral={1}
          onChange={(value) => song.change(name, { volume: value })}
        />
        <Slider
          class="pan"
          label={`Pan of ${title}`}
          text={panText(pan)}
          min={-1}
          max={1}
          step={0.05}
          value={pan}
          neutral={0}
          onChange={(value) => song.change(name, { pan: value })}
        />
        <Meter name={name} player={player} />
      </div>
      <Waveform
        viewport={song.viewport}
        peaks={() => song.peaks.get(name) ?? EMPTY}
        draw={() => song.drawn.value}
      />
    </div>
  );
}

function panText(pan: number): string {
  if (pan === 0) return 'center';
  return `${String(Math.round(Math.abs(pan) * 100))} % ${pan < 0 ? 'left' : 'right'}`;
}

/** Decibels below full scale at which the meter is empty. */
const METER_DB = 48;
const FALL = 0.92;

function Meter({ name, player }: { name: string; player: Player }) {
  const ref = useRef<HTMLDivElement>(null);
  const shown = useRef(0);
  useFrames(() => {
    const level = player.level(name);
    const share = level > 0 ? 1 + (20 * Math.log10(level)) / METER_DB : 0;
    const next = Math.max(0, Math.min(1, Math.max(share, shown.current * FALL)));
    if (Math.abs(next - shown.current) < 0.002) return;
    shown.current = next;
    ref.current?.style.setProperty('--level', next.toFixed(3));
  });
  return <div ref={ref} class="meter" aria-hidden="true" />;
}
