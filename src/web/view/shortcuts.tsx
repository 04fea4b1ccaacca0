/** The keys of the player, in a dialog. */
import type { Signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

const KEYS: readonly [keys: string, what: string][] = [
  ['Space', 'Play or pause'],
  ['← →', 'Back or forward by 5 seconds; with Shift by 1 second'],
  ['Home, End', 'To the start, to the end'],
  ['1 – 9', 'Mute a stem; with Shift: solo'],
  ['O', 'Original or stems'],
  ['[ ]', 'Loop from here, loop to here'],
  ['L', 'End the loop'],
  ['+ −', 'Zoom in, zoom out'],
  ['?', 'This help'],
];

export function Shortcuts({ open }: { open: Signal<boolean> }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const onKey = ({ key, target }: KeyboardEvent) => {
      if (key === '?' && !(target instanceof HTMLInputElement)) open.value = true;
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [open]);
  useEffect(() => {
    if (open.value) dialog.current?.showModal();
  }, [open.value]);
  return (
    <dialog ref={dialog} aria-labelledby="shortcuts" onClose={() => (open.value = false)}>
      <h2 id="shortcuts">Keyboard</h2>
      <dl class="keys">
        {KEYS.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog">
        <button class="primary">Close</button>
      </form>
    </dialog>
  );
}
