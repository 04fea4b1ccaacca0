/** What made this result, and how far the stems are from adding up to the song. */
import type { Job } from '../../client/index.js';
import { dateTime, duration } from '../state/format.js';
import { models } from '../state/service.js';
import { licenseText } from '../../models/license-text.js';

export function Trust({ job }: { job: Job }) {
  const model = models.value.find(({ name }) => name === job.model);
  const { result } = job;
  const nullTest = result?.nullTestDb ?? null;
  return (
    <section class="trust" aria-label="What made this">
      <h2>What made this</h2>
      <dl>
        <Fact name="Model" value={job.model} />
        {model && <Fact name="License of its weights" value={licenseText(model.license)} />}
        {nullTest !== null && <Fact name="Null test" value={nullText(nullTest)} />}
        {result && (
          <Fact
            name="Separated in"
            value={`${duration(result.processingTime)}, ${result.realtimeFactor.toFixed(1)} × real time${result.cached ? ', taken from an equal earlier job' : ''}`}
          />
        )}
        <Fact name="Seed" value={JSON.stringify(job.options.seed)} />
        <Fact name="Added" value={dateTime(job.createdAt)} />
      </dl>
      {result && (
        <details>
          <summary>The manifest: model, options, versions and device</summary>
          <pre tabIndex={0}>{JSON.stringify(result.manifest, null, 2)}</pre>
        </details>
      )}
    </section>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** The level of what is left when the stems are subtracted from the song. */
function nullText(level: number): string {
  const words =
    level <= -60
      ? 'the stems add up to the song; nothing that can be heard is lost'
      : level <= -30
        ? 'the stems add up to the song nearly'
        : 'the stems do not add up to the song: a part of it is in none of them';
  return `${level.toFixed(1).replace('-', '−')} dB: ${words}`;
}
