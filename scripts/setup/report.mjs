/** A failure that a person can mend: shown as text, without a stack. */
export class SetupError extends Error {
  constructor(message, mend) {
    super(mend ? `${message}\n${mend}` : message);
    this.name = 'SetupError';
    this.code = 'SETUP_FAILED';
  }
}

const PLAIN_INTERVAL = 15_000;
const TICK = 500;

/**
 * One line per step. While a step runs, a terminal shows a line that ticks; anything else gets a
 * plain line at the start of real work and one every few seconds.
 */
export function createReport(log) {
  const terminal = !log && process.stdout.isTTY;
  const write = log ?? ((line) => process.stdout.write(`${line}\n`));
  const clear = () => terminal && process.stdout.write('\r\x1b[K');

  async function step(name, work) {
    const started = Date.now();
    const title = name.padEnd(13);
    let doing = '';
    let detail = () => '';
    let shown = started;

    const seconds = () => Math.round((Date.now() - started) / 1000);
    const state = () => [doing, detail(), `${seconds()} s`].filter(Boolean).join(', ');
    const tick = setInterval(() => {
      if (!doing) return;
      if (terminal) {
        const width = (process.stdout.columns || 80) - 1;
        process.stdout.write(`\r\x1b[K${`${title} ${state()}`.slice(0, width)}`);
      } else if (Date.now() - shown >= PLAIN_INTERVAL) {
        shown = Date.now();
        write(`${title} ${state()}`);
      }
    }, TICK);

    try {
      const outcome = await work({
        doing(text, measure = () => '') {
          doing = text;
          detail = measure;
          if (!terminal) write(`${title} ${text}`);
        },
        note(text) {
          clear();
          write(`${title} ${text}`);
        },
      });
      clear();
      const took = doing ? ` (${seconds()} s)` : '';
      write(`${title} ${outcome.text}${took}`);
      return outcome.value;
    } finally {
      clearInterval(tick);
      clear();
    }
  }

  return { step, line: write };
}

/** What the operating system refused is for people, too; anything else is a mistake of ours. */
export function forPeople(error) {
  if (error instanceof SetupError || !error.syscall) return error;
  const mend =
    error.code === 'ENOSPC'
      ? 'The disk is full: make room, then run this again.'
      : "Run this as the user who owns this folder, or correct the folder's permissions.";
  return new SetupError(error.message, mend);
}

/** Runs a script's main function; a SetupError ends it with its message and status 1. */
export async function main(work) {
  try {
    process.exitCode = (await work()) ?? 0;
  } catch (error) {
    const told = forPeople(error);
    if (!(told instanceof SetupError)) throw error;
    process.stderr.write(`\n${told.message}\n`);
    process.exitCode = 1;
  }
}
