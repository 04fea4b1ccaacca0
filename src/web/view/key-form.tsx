/** Asks for the API key, once for each tab. */
import { useRef } from 'preact/hooks';
import { keyRefused, useKey } from '../state/service.js';

export function KeyForm() {
  const input = useRef<HTMLInputElement>(null);
  return (
    <main id="main" class="centered" tabIndex={-1}>
      <form
        class="card key-form"
        onSubmit={(event) => {
          event.preventDefault();
          const key = input.current?.value.trim();
          if (key) useKey(key);
        }}
      >
        <h1>API key</h1>
        <p>This service needs a key. It is kept until you close this tab.</p>
        {keyRefused.value && (
          <p class="failure" role="alert">
            The service does not know this key.
          </p>
        )}
        <label>
          <span>Key</span>
          <input ref={input} type="password" autocomplete="off" required autofocus />
        </label>
        <button class="primary">Continue</button>
      </form>
    </main>
  );
}
