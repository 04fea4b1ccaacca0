/** What can be saved: each stem, all of them, and the mix as it sounds. */
import { useSignal } from '@preact/signals';
import type { Job } from '../../client/index.js';
import { saveMix } from '../audio/save-mix.js';
import type { Loop } from '../audio/player.js';
import { bytes, exactClock, stemTitle } from '../state/format.js';
import { explain } from '../state/explain.js';
import { client } from '../state/service.js';
import type { OpenSong } from '../state/open-song.js';
import { Icon } from './icons.js';
import { stemColor } from './stem-color.js';

export function TakeAway({ song, job }: { song: OpenSong; job: Job }) {
  const { result } = job;
  if (!result) return null;
  const loop = song.player.value?.loop.value;
  const total = song.viewport.total.value;
  return (
    <section class="take-away" aria-label="Files">
      <h2>Take it with you</h2>
      <div class="files">
        {Object.entries(result.stems).map(([name, { url, format, sizeBytes }]) => (
          <a
            key={name}
            class="button file"
            href={client.value.url(url).href}
            download
            style={{ '--stem': stemColor(name) }}
          >
            <span class="swatch" />
            <span class="file-name">{stemTitle(name)}</span>
            <span class="quiet">
              {format.toUpperCase()}, {bytes(sizeBytes)}
            </span>
            <Icon name="download" size={18} />
          </a>
        ))}
      </div>
      <div class="actions">
        <a class="button primary" href={client.value.url(result.zipUrl).href} download>
          <Icon name="download" size={18} /> All stems as ZIP
        </a>
        <SaveMix
          song={song}
          job={job}
          title="The mix as it sounds"
          range={{ from: 0, to: total }}
        />
        {loop && <SaveMix song={song} job={job} title="The loop alone" range={loop} />}
      </div>
    </section>
  );
}

function SaveMix({
  song,
  job,
  title,
  range,
}: {
  song: OpenSong;
  job: Job;
  title: string;
  range: Loop;
}) {
  const progress = useSignal<number | undefined>(undefined);
  const failure = useSignal<string | undefined>(undefined);
  const save = async () => {
    const source = song.song.value;
    if (!source || progress.value !== undefined) return;
    progress.value = 0;
    failure.value = undefined;
    try {
      const mix = { mix: song.mix.value, master: song.master.value, range };
      const file = await saveMix(source, mix, (fraction) => {
        progress.value = fraction;
      });
      const whole = range.from === 0 && range.to === song.viewport.total.value;
      const part = whole
        ? 'mix'
        : `mix ${exactClock(range.from / source.sampleRate)}-${exactClock(range.to / source.sampleRate)}`;
      saveFile(file, `${job.name.replace(/\.\w{2,4}$/, '')} - ${part.replaceAll(':', '.')}.wav`);
    } catch (error) {
      failure.value = explain(error);
    } finally {
      progress.value = undefined;
    }
  };
  return (
    <>
      <button
        aria-busy={progress.value !== undefined}
        title="A WAV file with your volumes, pans, mutes and solos, at the song's own tempo and pitch"
        onClick={() => void save()}
      >
        <Icon name="download" size={18} />
        {progress.value === undefined
          ? title
          : `${title}: ${String(Math.round(progress.value * 100))} %`}
      </button>
      {failure.value !== undefined && (
        <p class="failure" role="alert">
          {failure.value}
        </p>
      )}
    </>
  );
}

function saveFile(file: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  // The browser has taken hold of the file when its download has begun.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
