/**
 * Progress of a pull on stderr: a bar on a terminal, some plain lines elsewhere.
 */
import { SingleBar } from 'cli-progress';
import { formatBytes } from '../lib/format.js';
import type { PullProgress, PullStage } from '../pull/pull.js';
import { TransferRate } from '../pull/transfer-rate.js';
import { clock } from './progress-view.js';
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
/** Percent between two plain lines. */
const LINE_STEP = 10;

export function pullView(): PullView {
  return process.stderr.isTTY ? barView() : lineView();
}

/** Describes how much has been downloaded, how fast, and how long the rest takes. */
function transferView(): (progress: PullProgress) => string {
  const rate = new TransferRate();
  return (progress) => {
    const text = `${formatBytes(progress.bytes)} of ${formatBytes(progress.bytesTotal)}`;
    const now = rate.measure(progress);
    if (!now) return text;
    return `${text}, ${formatBytes(now.bytesPerSecond)}/s, ${clock(now.secondsLeft)} left`;
  };
}

function barView(): PullView {
  const describeTransfer = transferView();
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
        transfer: stage === 'downloading' ? describeTransfer(progress) : '',
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
  const describeTransfer = transferView();
  let lastStage: PullStage | undefined;
  let nextPercent = LINE_STEP;
  return {
    update(progress) {
      const { stage, fraction } = progress;
      if (stage !== lastStage && stage !== 'waiting') say(TITLES[stage]);
      lastStage = stage;
      if (stage !== 'downloading') return;
      const text = describeTransfer(progress);
      const percent = Math.floor(fraction * 100);
      if (percent < nextPercent) return;
      nextPercent = percent - (percent % LINE_STEP) + LINE_STEP;
      say(`${String(percent).padStart(3)} %, ${text}`);
    },
    note: say,
    stop: () => undefined,
  };
}
