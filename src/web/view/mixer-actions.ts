/** What buttons and keys of the mixer do. */
import { MIN_LOOP_SECONDS, type Player } from '../audio/player.js';
import type { OpenSong } from '../state/open-song.js';

const ZOOM = 1.6;

export function togglePlay(player: Player): void {
  if (player.playing.value) player.pause();
  else void player.play();
}

/** Starts a loop at the position: up to where the loop ended, or to the end of the song. */
export function loopFrom(song: OpenSong, player: Player): void {
  const from = Math.floor(player.position);
  const to = player.loop.value?.to ?? 0;
  setLoop(player, from, to > from ? to : song.viewport.total.value);
}

/** Ends the loop at the position: it starts where it did, or at the start of the song. */
export function loopTo(player: Player): void {
  const to = Math.floor(player.position);
  const from = player.loop.value?.from ?? 0;
  setLoop(player, from < to ? from : 0, to);
}

function setLoop(player: Player, from: number, to: number): void {
  if (to - from >= MIN_LOOP_SECONDS * player.context.sampleRate) player.setLoop({ from, to });
}

/** @param direction 1 zooms in, -1 zooms out. */
export function zoom({ viewport }: OpenSong, player: Player, direction: 1 | -1): void {
  const percent = viewport.percentOf(player.position);
  const { start, span } = viewport.shown.value;
  const around = percent >= 0 && percent <= 100 ? player.position : start + span / 2;
  viewport.zoomBy(ZOOM ** direction, around);
}
