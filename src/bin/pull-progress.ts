/**
 * Progress of a pull on stderr: a bar on a terminal, some plain lines elsewhere.
 */
import { formatBytes } from '../lib/format.js';
import type { PullProgress, PullStage } from '../pull/pull.js';
import { TransferRate } from '../pull/transfer-rate.js';
import { clock } from './progress-view.js';
import { say } from './report.js';
import { terminalBar } from './terminal-bar.js';

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

/** How much has been downloaded and how fast, and how long the rest takes. */
function transferView(): (progress: PullProgress) => { details: string; left?: string } {
  const rate = new TransferRate();
  return (progress) => {
    const amount = `${formatBytes(progress.bytes)} of ${formatBytes(progress.bytesTotal)}`;
    const now = rate.measure(progress);
    if (!now) return { details: amount };
    const details = `${amount}, ${formatBytes(now.bytesPerSecond)}/s`;
    return { details, left: clock(now.secondsLeft) };
  };
}

function barView(): PullView {
  const describeTransfer = transferView();
  const bar = terminalBar();
  return {
    update(progress) {
      const { stage, fraction } = progress;
      const transfer = stage === 'downloading' ? describeTransfer(progress) : {};
      bar.update({ percent: fraction * 100, title: TITLES[stage], ...transfer });
    },
    note(text) {
      bar.stop();
      say(text);
    },
    stop() {
      bar.stop();
    },
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
      const { details, left } = describeTransfer(progress);
      const percent = Math.floor(fraction * 100);
      if (percent < nextPercent) return;
      nextPercent = percent - (percent % LINE_STEP) + LINE_STEP;
      const facts = [`${String(percent).padStart(3)} %`, left && `${left} left`, details];
      say(facts.filter(Boolean).join(', '));
    },
    note: say,
    stop: () => undefined,
  };
}
