/**
 * Progress on stderr: a bar on a terminal, a line now and then elsewhere.
 */
import type { FileProgress, Stage } from '../separation/separate-file.js';
import { say } from './report.js';
import { terminalBar } from './terminal-bar.js';

export interface ProgressView {
  update(progress: FileProgress): void;
  /** Clears the bar. Safe to repeat. */
  stop(): void;
}

const VERBS: Record<Stage, string> = {
  decoding: 'Reading',
  separating: 'Separating',
  encoding: 'Writing',
};
/** A plain line is due whenever this many more percent are done. */
const LINE_STEP = 10;

/** @param stems what is separated, for display. */
export function progressView(
  stems: readonly string[],
  { quiet }: { quiet: boolean },
): ProgressView {
  if (quiet) return { update: () => undefined, stop: () => undefined };
  return process.stderr.isTTY ? barView(stems) : lineView(stems);
}

/** Speed as a multiple of real time and the time left, once they mean something. */
class Pace {
  #stage: Stage | undefined;
  #started = 0;

  measure({ stage, fraction, audioSeconds }: FileProgress): { speed?: string; left?: string } {
    const now = performance.now();
    if (stage !== this.#stage) {
      this.#stage = stage;
      this.#started = now;
    }
    const seconds = (now - this.#started) / 1000;
    if (stage !== 'separating' || fraction === 0 || seconds === 0 || !audioSeconds) return {};
    return {
      speed: `${((audioSeconds * fraction) / seconds).toFixed(2)}x real time`,
      left: clock((seconds * (1 - fraction)) / fraction),
    };
  }
}

function barView(stems: readonly string[]): ProgressView {
  const pace = new Pace();
  const bar = terminalBar();
  return {
    update(progress) {
      const { speed, left } = pace.measure(progress);
      const { stage, fraction } = progress;
      bar.update({ percent: fraction * 100, left, title: title(stage, stems), details: speed });
    },
    stop() {
      bar.stop();
    },
  };
}

function lineView(stems: readonly string[]): ProgressView {
  const pace = new Pace();
  let lastStage: Stage | undefined;
  let due = 0;
  return {
    update(progress) {
      const { stage, fraction } = progress;
      const { speed, left } = pace.measure(progress);
      if (stage !== lastStage) {
        lastStage = stage;
        due = LINE_STEP;
        say(title(stage, stems));
        return;
      }
      const percent = Math.floor(fraction * 100);
      if (stage !== 'separating' || percent < due) return;
      due = percent - (percent % LINE_STEP) + LINE_STEP;
      const facts = [`${String(percent).padStart(3)} %`, left && `${left} left`, speed];
      say(facts.filter(Boolean).join(', '));
    },
    stop() {
      lastStage = undefined;
    },
  };
}

const title = (stage: Stage, stems: readonly string[]): string =>
  stage === 'separating' ? `${VERBS[stage]} ${stems.join(', ')}` : VERBS[stage];

/** Seconds as m:ss or h:mm:ss. */
export function clock(seconds: number): string {
  const total = Math.round(seconds);
  const parts = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const shown = parts[0] === 0 ? parts.slice(1) : parts;
  return shown
    .map((part, at) => (at === 0 ? String(part) : String(part).padStart(2, '0')))
    .join(':');
}
