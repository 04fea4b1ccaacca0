import iconUrl from '../icon.svg';
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { HOME, route, SERVICE } from '../state/route.js';
import { health, keyNeeded, reachable } from '../state/service.js';
import { theme, toggleTheme } from '../state/theme.js';
import { send } from '../state/uploads.js';
import { songsIn } from './drop.js';
import { Home } from './home.js';
import { Icon } from './icons.js';
import { KeyForm } from './key-form.js';
import { Library } from './library.js';
import { ServicePanel } from './service-panel.js';
import { Shortcuts } from './shortcuts.js';
import { SongPage } from './song-page.js';

export function App() {
  const help = useSignal(false);
  const dropping = useDropAnywhere();
  const { name } = route.value;
  return (
    <div class={`app on-${name}`} data-dropping={dropping.value}>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href={HOME}>
          <img src={iconUrl} alt="" width="28" height="28" />
          <span>OX Board Demucs</span>
        </a>
        <ServiceState />
        <button
          class="plain wide-only"
          title="Keyboard shortcuts (?)"
          aria-label="Keyboard shortcuts"
          onClick={() => (help.value = true)}
        >
          <Icon name="keyboard" />
        </button>
        <button
          class="plain"
          title={theme() === 'dark' ? 'Light colors' : 'Dark colors'}
          aria-label={theme() === 'dark' ? 'Use light colors' : 'Use dark colors'}
          onClick={toggleTheme}
        >
          <Icon name={theme() === 'dark' ? 'sun' : 'moon'} />
        </button>
      </header>
      {!reachable.value && (
        <p class="banner" role="alert">
          <Icon name="warning" /> The service does not answer. The page tries again by itself.
        </p>
      )}
      {keyNeeded.value ? (
        <KeyForm />
      ) : (
        <div class="columns">
          <main id="main" tabIndex={-1}>
            <Main />
          </main>
          <Library />
        </div>
      )}
      <Shortcuts open={help} />
    </div>
  );
}

function Main() {
  const at = route.value;
  if (at.name === 'job') return <SongPage key={at.id} id={at.id} />;
  return at.name === 'service' ? <ServicePanel /> : <Home />;
}

/** One word about the service; the rest is on its page. */
function ServiceState() {
  const state = health.value;
  const workers = state?.queueStatus?.workersAvailable;
  const [kind, text] = !reachable.value
    ? ['bad', 'Not reachable']
    : !state
      ? ['', 'Connecting']
      : workers === 0
        ? ['bad', 'No worker']
        : ['good', 'Ready'];
  return (
    <a class={`service-state ${kind}`} href={SERVICE} title="Models, workers and queue">
      <span class="dot" />
      {text}
    </a>
  );
}

/** The hash of the URL is the route: a link to #main would leave it. */
function skip(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>('#main')?.focus();
}

/** Songs can be dropped on the whole page. */
function useDropAnywhere() {
  const dropping = useSignal(false);
  useEffect(() => {
    let depth = 0;
    const enter = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      depth++;
      dropping.value = true;
    };
    const leave = () => {
      depth = Math.max(0, depth - 1);
      dropping.value = depth > 0;
    };
    const over = (event: DragEvent) => event.preventDefault();
    const drop = (event: DragEvent) => {
      event.preventDefault();
      depth = 0;
      dropping.value = false;
      if (event.dataTransfer && !keyNeeded.value) void songsIn(event.dataTransfer).then(send);
    };
    addEventListener('dragenter', enter);
    addEventListener('dragleave', leave);
    addEventListener('dragover', over);
    addEventListener('drop', drop);
    return () => {
      removeEventListener('dragenter', enter);
      removeEventListener('dragleave', leave);
      removeEventListener('dragover', over);
      removeEventListener('drop', drop);
    };
  }, [dropping]);
  return dropping;
}
