/** The keys of the mixer. They do nothing while a field has the focus. */
import { useEffect } from 'preact/hooks';
import type { Player } from '../audio/player.js';
import type { OpenSong } from '../state/open-song.js';
import { loopFrom, loopTo, togglePlay, zoom } from './mixer-actions.js';

const STEP_SECONDS = 5;
const SMALL_STEP_SECONDS = 1;

export function useMixerKeys(song: OpenSong, player: Player): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (!isFree(event) || !act(event, song, player)) return;
      event.preventDefault();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [song, player]);
}

/** Whether the key means nothing to what has the focus. */
function isFree({ key, target }: KeyboardEvent): boolean {
  if (!(target instanceof Element) || document.querySelector('dialog[open]')) return false;
  if (target.closest('input:not([type="range"]), select, textarea')) return false;
  if (target.closest('input[type="range"], .scroll-bar'))
    return !/^(Arrow|Home|End|Page)/.test(key);
  return key !== ' ' || !target.closest('button, a, summary');
}

/** @returns false if the key is none of ours. */
function act({ key, code, shiftKey }: KeyboardEvent, song: OpenSong, player: Player): boolean {
  const step = (shiftKey ? SMALL_STEP_SECONDS : STEP_SECONDS) * player.context.sampleRate;
  // By the place of the key: with Shift, digits give other characters.
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(code)?.[1];
  const stem = digit === undefined ? undefined : song.stems.value[Number(digit) - 1];
  if (stem !== undefined) {
    const { muted, solo } = song.mixOf(stem);
    song.change(stem, shiftKey ? { solo: !solo } : { muted: !muted });
    return true;
  }
  const actions: Record<string, () => void> = {
    ' ': () => togglePlay(player),
    ArrowLeft: () => player.seek(player.position - step),
    ArrowRight: () => player.seek(player.position + step),
    Home: () => player.seek(0),
    End: () => player.seek(song.viewport.total.value),
    '[': () => loopFrom(song, player),
    ']': () => loopTo(player),
    l: () => player.setLoop(undefined),
    o: () => song.toggleOriginal(),
    '+': () => zoom(song, player, 1),
    '=': () => zoom(song, player, 1),
    '-': () => zoom(song, player, -1),
  };
  const action = actions[key.length === 1 ? key.toLowerCase() : key];
  action?.();
  return action !== undefined;
}
