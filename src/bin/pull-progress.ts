/**
 * Progress of a pull on stderr: a bar on a terminal, a line now and then elsewhere.
 */
import { SingleBar } from 'cli-progress';
import type { PullProgress, PullStage } from '../pull/pull.js';
import { clock } from './progress.js';
import { say } from './report.js';

export interface PullView {
  update(progress: PullProgress): void;
  /** A line that stays, above the bar. */
  note(text: string): void;
  /** Clears the bar. Safe to repeat. */
  stop(): void;
}

const TITLES: Record<PullStage, string> = {
  waiting: 'Waiting',
  downloading: 'Downloading',
  assembling: 'Writing the networks',
  verifying: 'Trying the model',
};
/** A plain line is due whenever this many more percent are done. */
const LINE_STEP = 10;

export function pullView(): PullView {
  return process.stderr.isTTY ? barView() : lineView();
}

/** Bytes done of all, speed and time left, for display. */
class Transfer {
  #started = performance.now();
  #first: number | undefined;

  describe({ bytes, bytesTotal }: PullProgress): string {
    if (this.#first === undefined) {
      // What lay there from an earlier pull says nothing about speed.
      this.#first = bytes;
      this.#started = performance.now();
    }
    const seconds = (performance.now() - this.#started) / 1000;
    const speed = (bytes - this.#first) / seconds;
    const pace =
      seconds >= 1 && speed > 0
        ? `, ${megabytes(speed)}/s, ${clock((bytesTotal - bytes) / speed)} left`
        : '';
    return `${megabytes(bytes)} of ${megabytes(bytesTotal)}${pace}`;
  }
}

function barView(): PullView {
  const transfer = new Transfer();
  const bar = new SingleBar({
    format: '{title} [{bar}] {percentage} % {transfer}',
    stream: process.stderr,
    barCompleteChar: '=',
    barIncompleteChar: ' ',
    barsize: 30,
    hideCursor: true,
    clearOnComplete: true,
    linewrap: false,
  });
  let running = false;
  const stop = () => {
    if (running) bar.stop();
    running = false;
  };
  return {
    update(progress) {
      const { stage, fraction } = progress;
      const payload = {
        title: TITLES[stage],
        transfer: stage === 'downloading' ? transfer.describe(progress) : '',
      };
      const percent = Math.floor(fraction * 100);
      if (running) bar.update(percent, payload);
      else bar.start(100, percent, payload);
      running = true;
    },
    note(text) {
      stop();
      say(text);
    },
    stop,
  };
}

function lineView(): PullView {
  const transfer = new Transfer();
  let lastStage: PullStage | undefined;
  let due = LINE_STEP;
  return {
    update(progress) {
      const { stage, fraction } = progress;
      if (stage !== lastStage && stage !== 'waiting') say(TITLES[stage]);
      lastStage = stage;
      if (stage !== 'downloading') return;
      const text = transfer.describe(progress);
      const percent = Math.floor(fraction * 100);
      if (percent < due) return;
      due = percent - (percent % LINE_STEP) + LINE_STEP;
      say(`${String(percent).padStart(3)} %, ${text}`);
    },
    note: say,
    stop: () => undefined,
  };
}

export const megabytes = (bytes: number): string =>
  bytes < 1e6
    ? `${(bytes / 1e3).toFixed(0)} kB`
    : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
