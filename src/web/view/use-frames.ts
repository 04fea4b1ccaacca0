import { useEffect, useRef } from 'preact/hooks';

/** Calls `work` before each frame that the browser draws. */
export function useFrames(work: () => void): void {
  const latest = useRef(work);
  latest.current = work;
  useEffect(() => {
    let id = requestAnimationFrame(function next() {
      latest.current();
      id = requestAnimationFrame(next);
    });
    return () => cancelAnimationFrame(id);
  }, []);
}
