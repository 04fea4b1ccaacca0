/** The service: its models, its workers and its queue. */
import { bytes, stemTitle } from '../state/format.js';
import { defaultModel, health, models } from '../state/service.js';
import { licenseText } from '../../models/license-text.js';

export function ServicePanel() {
  const state = health.value;
  const queue = state?.queueStatus;
  return (
    <div class="service">
      <h1>Service</h1>
      <dl class="figures">
        <Figure name="Workers" value={queue?.workersAvailable} />
        <Figure name="Running" value={queue?.activeJobs} />
        <Figure name="Waiting" value={queue?.queuedJobs} />
        <Figure name="Version" value={state?.version} />
      </dl>
      {state?.pulls.map(({ model, progress, error }) => (
        <p class="notice" key={model}>
          {model} is being fetched: {Math.round(progress)} %{error ? `. ${error.message}` : ''}
        </p>
      ))}
      <h2>Models</h2>
      <div class="scroll-x" tabIndex={0} role="region" aria-label="Models">
        <table>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Stems</th>
              <th scope="col">Size</th>
              <th scope="col">Speed</th>
              <th scope="col">License of the weights</th>
            </tr>
          </thead>
          <tbody>
            {models.value.map((model) => (
              <tr key={model.name}>
                <th scope="row">
                  {model.name}
                  {model.name === defaultModel.value && <span class="tag">default</span>}
                  {!model.available && <span class="tag">no worker has it now</span>}
                </th>
                <td>{model.sources.map(stemTitle).join(', ')}</td>
                <td>{bytes(model.sizeBytes)}</td>
                <td>
                  {model.realtimeFactor === null
                    ? 'not measured yet'
                    : `${model.realtimeFactor.toFixed(1)} × real time`}
                </td>
                <td>{licenseText(model.license)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="quiet">
        More models: <code>oxboard models pull htdemucs</code> on the machine of a worker.{' '}
        <a href="api/v1/docs">The API</a> does all that this page does.
      </p>
    </div>
  );
}

function Figure({ name, value }: { name: string; value: number | string | undefined }) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd>{value ?? '–'}</dd>
    </div>
  );
}
