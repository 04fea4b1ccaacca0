/** Where songs are given: dropped, chosen or linked. */
import { useRef } from 'preact/hooks';
import { count } from '../../lib/format.js';
import { bytes, duration } from '../state/format.js';
import { choice, choose, FORMATS, type Format } from '../state/options.js';
import { defaultModel, health, models } from '../state/service.js';
import { send } from '../state/uploads.js';
import { Icon } from './icons.js';
import { ModelNotice } from './model-notice.js';
import { stemTitle } from '../state/format.js';

export function Home() {
  return (
    <div class="home">
      <h1>Take a song apart</h1>
      <p class="lead">
        Vocals, drums, bass and the rest, each on a track of its own. You can listen while it is
        being done.
      </p>
      <NoWorker />
      <DropZone />
      <LinkForm />
      <Options />
      <ModelNotice />
    </div>
  );
}

function NoWorker() {
  if (health.value?.queueStatus?.workersAvailable !== 0) return null;
  return (
    <p class="notice" role="status">
      <Icon name="warning" />
      <span>
        No worker is running, so songs cannot be separated now. Start one with{' '}
        <code>oxboard worker</code>, or everything at once with <code>oxboard serve</code>.
      </span>
    </p>
  );
}

function DropZone() {
  const input = useRef<HTMLInputElement>(null);
  return (
    <div class="drop-zone">
      <span class="drop-icon">
        <Icon name="upload" size={32} />
      </span>
      <p class="drop-title">Drop songs here</p>
      <button class="primary" onClick={() => input.current?.click()}>
        Choose files
      </button>
      <input
        ref={input}
        id="songs"
        class="hidden"
        type="file"
        tabIndex={-1}
        aria-label="Songs"
        accept="audio/*,video/*"
        multiple
        onChange={({ currentTarget }) => {
          send([...(currentTarget.files ?? [])]);
          currentTarget.value = '';
        }}
      />
      <Limits />
    </div>
  );
}

function Limits() {
  const limits = health.value?.limits;
  if (!limits) return null;
  const { fileBytes, durationSeconds, jobs, periodSeconds } = limits;
  return (
    <p class="quiet">
      Any kind of audio, up to {bytes(fileBytes)} and {duration(durationSeconds)} each;{' '}
      {count(jobs, 'song')} in {duration(periodSeconds)}.
    </p>
  );
}

function LinkForm() {
  const input = useRef<HTMLInputElement>(null);
  return (
    <form
      class="link-form"
      onSubmit={(event) => {
        event.preventDefault();
        const link = input.current?.value.trim();
        if (!link || !input.current) return;
        send([{ link }]);
        input.current.value = '';
      }}
    >
      <Icon name="link" />
      <input
        ref={input}
        type="url"
        required
        placeholder="Or paste a YouTube link"
        aria-label="YouTube link"
        autocomplete="off"
      />
      <button>Add</button>
    </form>
  );
}

function Options() {
  const { model, stems, format } = choice.value;
  const chosen = models.value.find(({ name }) => name === (model ?? defaultModel.value));
  return (
    <fieldset class="options">
      <legend>For all songs that you add</legend>
      <label>
        <span>Model</span>
        <select
          value={model ?? ''}
          onChange={({ currentTarget: { value } }) =>
            choose({ model: value === '' ? undefined : value })
          }
        >
          <option value="">{defaultModel.value ?? 'Default'} (default)</option>
          {models.value
            .filter(({ name, available }) => available && name !== defaultModel.value)
            .map(({ name }) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
        </select>
      </label>
      <label>
        <span>Stems</span>
        <select value={stems} onChange={({ currentTarget: { value } }) => choose({ stems: value })}>
          <option value="all">All stems</option>
          {(chosen?.sources ?? ['vocals']).map((name) => (
            <option key={name} value={name}>
              {stemTitle(name)} and the rest
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>Files as</span>
        <select
          value={format}
          onChange={({ currentTarget: { value } }) => choose({ format: value as Format })}
        >
          {FORMATS.map((name) => (
            <option key={name} value={name}>
              {name.toUpperCase()}
            </option>
          ))}
        </select>
      </label>
    </fieldset>
  );
}
