/** Play, position, loop, speed, pitch, zoom and master volume. */
import { useSignal, type Signal } from '@preact/signals';
import type { Player } from '../audio/player.js';
import { canStretch } from '../audio/stretch.js';
import { clock, decibels, exactClock } from '../state/format.js';
import { explain } from '../state/explain.js';
import type { OpenSong } from '../state/open-song.js';
import { Icon } from './icons.js';
import { Slider } from './slider.js';
import { loopFrom, loopTo, togglePlay, zoom } from './mixer-actions.js';

export function Transport({
  song,
  player,
  position,
}: {
  song: OpenSong;
  player: Player;
  position: Signal<number>;
}) {
  const rate = player.context.sampleRate;
  const playing = player.playing.value;
  const total = song.viewport.total.value;
  const seconds = position.value / rate;
  return (
    <>
      <div class="transport" role="group" aria-label="Player">
        <button
          class="plain"
          aria-label="To the start"
          title="To the start (Home)"
          onClick={() => player.seek(0)}
        >
          <Icon name="start" />
        </button>
        <button
          class="play"
          aria-label={playing ? 'Pause' : 'Play'}
          title={playing ? 'Pause (Space)' : 'Play (Space)'}
          onClick={() => togglePlay(player)}
        >
          <Icon name={playing ? 'pause' : 'play'} size={26} />
        </button>
        <output class="position" aria-hidden="true">
          {exactClock(seconds)} <span class="quiet">/ {clock(total / rate)}</span>
        </output>
        <Slider
          class="seek"
          label="Position"
          text={`${clock(seconds)} of ${clock(total / rate)}`}
          min={0}
          max={total / rate}
          step="any"
          value={seconds}
          onChange={(value) => player.seek(value * rate)}
        />
      </div>
      <Tools song={song} player={player} />
      {player.failure.value !== undefined && (
        <p class="failure" role="alert">
          A part cannot be played: {explain(player.failure.value)}
        </p>
      )}
    </>
  );
}

function Tools({ song, player }: { song: OpenSong; player: Player }) {
  const rate = player.context.sampleRate;
  const loop = player.loop.value;
  const loopText = loop
    ? `${exactClock(loop.from / rate)} – ${exactClock(loop.to / rate)}`
    : 'No loop';
  return (
    <div class="tools">
      <div class="group" role="group" aria-label="Loop">
        <button
          title="Loop from here ([)"
          aria-label="Loop from here"
          onClick={() => loopFrom(song, player)}
        >
          A
        </button>
        <button title="Loop to here (])" aria-label="Loop to here" onClick={() => loopTo(player)}>
          B
        </button>
        <button
          title="End the loop (L)"
          aria-label={loop ? `End the loop ${loopText}` : loopText}
          disabled={!loop}
          onClick={() => player.setLoop(undefined)}
        >
          <Icon name="loop" size={18} />
          {loopText}
        </button>
      </div>
      <button
        class="switch"
        aria-pressed={song.original.value}
        title="Hear the song itself instead of its stems (O)"
        onClick={() => song.toggleOriginal()}
      >
        Original
      </button>
      <StretchControls player={player} />
      <div class="group end" role="group" aria-label="Zoom">
        <button
          class="plain"
          aria-label="Zoom out"
          title="Zoom out (−)"
          onClick={() => zoom(song, player, -1)}
        >
          <Icon name="minus" size={18} />
        </button>
        <span class="quiet">Zoom</span>
        <button
          class="plain"
          aria-label="Zoom in"
          title="Zoom in (+)"
          onClick={() => zoom(song, player, 1)}
        >
          <Icon name="plus" size={18} />
        </button>
      </div>
      <div class="group">
        <Icon name="volume" />
        <Slider
          class="master"
          label="Master volume"
          text={decibels(song.master.value)}
          min={0}
          max={1.5}
          step={0.01}
          value={song.master.value}
          neutral={1}
          onChange={(value) => song.setMaster(value)}
        />
      </div>
      <button
        onClick={() => song.resetMix()}
        title="All volumes, pans, mutes and solos as at first"
      >
        Reset mix
      </button>
    </div>
  );
}

const WHY_NOT =
  'Browsers change tempo and pitch only on pages of https and of localhost. Open this page by one of these.';

function StretchControls({ player }: { player: Player }) {
  const speed = useSignal(100);
  const semitones = useSignal(0);
  const failure = useSignal<string | undefined>(undefined);
  if (!canStretch()) {
    return (
      <span class="quiet" title={WHY_NOT} tabIndex={0}>
        Tempo and pitch: not here
      </span>
    );
  }
  const set = (newSpeed: number, newSemitones: number) => {
    [speed.value, semitones.value] = [newSpeed, newSemitones];
    player.setStretch(newSpeed / 100, newSemitones).then(
      () => (failure.value = undefined),
      (error: unknown) => (failure.value = explain(error)),
    );
  };
  return (
    <div class="group stretch" role="group" aria-label="Tempo and pitch">
      <label>
        <span>Tempo</span>
        <select
          value={speed.value}
          onChange={({ currentTarget: { value } }) => set(Number(value), semitones.value)}
        >
          {SPEEDS.map((percent) => (
            <option key={percent} value={percent}>
              {percent} %
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>Pitch</span>
        <select
          value={semitones.value}
          onChange={({ currentTarget: { value } }) => set(speed.value, Number(value))}
        >
          {PITCHES.map((steps) => (
            <option key={steps} value={steps}>
              {steps > 0 ? `+${String(steps)}` : String(steps).replace('-', '−')}
            </option>
          ))}
        </select>
      </label>
      {failure.value !== undefined && (
        <p class="failure" role="alert">
          {failure.value}
        </p>
      )}
    </div>
  );
}

const SPEEDS = [50, 60, 70, 75, 80, 85, 90, 95, 100, 105, 110, 115, 120, 125, 130, 140, 150];
const PITCHES = Array.from({ length: 25 }, (_, i) => 12 - i);
