/**
 * Repeats work while the page is visible, and at once when it becomes visible.
 *
 * @param intervalMs from the end of one run to the start of the next; a function is asked each time.
 */
export function every(intervalMs: number | (() => number), work: () => Promise<void>): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running = false;
  const run = async () => {
    if (running) return;
    running = true;
    clearTimeout(timer);
    try {
      await work();
    } finally {
      running = false;
      timer = setTimeout(
        () => {
          if (!document.hidden) void run();
        },
        typeof intervalMs === 'number' ? intervalMs : intervalMs(),
      );
    }
  };
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) void run();
  });
  void run();
}
