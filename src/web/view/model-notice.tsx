/** What to know of the model that will be used. */
import { choice } from '../state/options.js';
import { defaultModel, health, models } from '../state/service.js';
import { Icon } from './icons.js';

export function ModelNotice() {
  const name = choice.value.model ?? defaultModel.value;
  const model = models.value.find((one) => one.name === name);
  const pull = health.value?.pulls[0];
  if (!model?.embedded) return null;
  return (
    <div class="notice" role="note">
      <Icon name="warning" />
      <div>
        <p>
          <strong>{model.name}</strong> is the small model that comes with the package. It is for
          trying things out, and far from the quality of the published models.
        </p>
        {pull ? (
          <p>
            {pull.model} is being fetched: {Math.round(pull.progress)} %.
          </p>
        ) : (
          <p>
            For real stems, on the machine of the service: <code>oxboard models pull htdemucs</code>
          </p>
        )}
      </div>
    </div>
  );
}
