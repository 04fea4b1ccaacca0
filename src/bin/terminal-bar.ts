/**
 * A progress bar on a terminal that fits its width: percent and time left always show, the bar
 * shrinks, and what comes after it is cut.
 */
import { SingleBar } from 'cli-progress';

export interface BarState {
  /** From 0 to 100. */
  percent: number;
  /** Time left as text, once it is known. */
  left?: string | undefined;
  title: string;
  details?: string | undefined;
}

export interface TerminalBar {
  update(state: BarState): void;
  /** Clears the bar. Safe to repeat. */
  stop(): void;
}

const WIDEST_BAR = 30;
const NARROWEST_BAR = 10;
/** Columns of the brackets and the space before the bar. */
const FRAME = 3;
/** With fewer columns a text says nothing. */
const SHORTEST_CUT = 8;

/** One line of at most `columns` characters. */
export function barLine({ percent, left, title, details }: BarState, columns: number): string {
  const whole = Math.floor(percent);
  const head = [`${String(whole).padStart(3)} %`, left && `${left} left`]
    .filter(Boolean)
    .join(', ');
  const text = ` ${[title, details].filter(Boolean).join(', ')}`;
  const room = Math.max(columns - head.length, 0);
  const bar = Math.max(Math.min(room - FRAME - text.length, WIDEST_BAR), NARROWEST_BAR);
  if (room < FRAME + NARROWEST_BAR) return head.slice(0, columns);
  const filled = Math.round((bar * whole) / 100);
  const cut = room - FRAME - bar;
  const shown = text.length <= cut ? text : cut < SHORTEST_CUT ? '' : `${text.slice(0, cut - 1)}…`;
  return `${head} [${'='.repeat(filled)}${' '.repeat(bar - filled)}]${shown}`;
}

/** A bar on stderr, which has to be a terminal. */
export function terminalBar(): TerminalBar {
  const bar = new SingleBar({
    // The last column stays free: some terminals wrap when it is written.
    format: (_options, _params, state: BarState) =>
      barLine(state, (process.stderr.columns || 80) - 1),
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
    linewrap: false,
  });
  let running = false;
  return {
    update(state) {
      if (running) bar.update(state.percent, state);
      else bar.start(100, state.percent, state);
      running = true;
    },
    stop() {
      if (running) bar.stop();
      running = false;
    },
  };
}
