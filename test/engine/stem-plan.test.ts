import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planStems } from '../../src/engine/stem-plan.js';

const SOURCES = ['drums', 'bass', 'other', 'vocals'];
const planFor = (options: Partial<Parameters<typeof planStems>[1]>) => planStems(SOURCES, options);
const names = (plan: ReturnType<typeof planStems>) => plan.outputs.map(({ name }) => name);

describe('the plan of stems', () => {
  it('is every source by default', () => {
    const plan = planFor({});
    assert.deepEqual(names(plan), SOURCES);
    assert.equal(plan.summands, 4);
  });

  it('computes only the chosen stems, in the order of the model, each once', () => {
    const plan = planFor({ stems: ['vocals', 'bass', 'vocals'] });
    assert.deepEqual(names(plan), ['bass', 'vocals']);
    assert.deepEqual(plan.sources, ['bass', 'vocals']);
    assert.equal(plan.summands, 0);
  });

  it('adds all others for two stems', () => {
    const plan = planFor({ twoStems: 'bass' });
    assert.deepEqual(names(plan), ['bass', 'no_bass']);
    assert.deepEqual(plan.outputs[1]!.added, ['drums', 'other', 'vocals']);
    assert.equal(plan.summands, 2);
  });

  it('adds mixes, and computes what they need', () => {
    const plan = planFor({ stems: ['vocals'], mix: ['beat=bass+drums', 'solo=vocals'] });
    assert.deepEqual(names(plan), ['vocals', 'beat', 'solo']);
    assert.deepEqual(plan.outputs[1]!.added, ['drums', 'bass']);
    assert.deepEqual(plan.sources, ['drums', 'bass', 'vocals']);
    assert.equal(planFor({ mix: ['beat=bass+drums'] }).summands, 4);
  });

  it('computes all sources where the rest of the song is spread over them', () => {
    const plan = planFor({ stems: ['vocals'], mixtureConsistent: true });
    assert.deepEqual([plan.sources, names(plan)], [SOURCES, ['vocals']]);
    assert.equal(plan.summands, 0);
  });

  it('needs one source where the song gives the rest, or nothing does', () => {
    for (const [otherMethod, expected] of [
      ['minus', ['vocals', 'minus_vocals']],
      ['none', ['vocals']],
    ] as const) {
      const plan = planFor({ twoStems: 'vocals', otherMethod });
      assert.deepEqual(names(plan), expected);
      assert.deepEqual(plan.sources, ['vocals']);
    }
  });
});
