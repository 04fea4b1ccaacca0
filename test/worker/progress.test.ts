import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { reportProgress } from '../../src/worker/progress.js';

describe('the progress of a job', () => {
  it('grows over all stages, one report at a time, and tells every stage', async (context) => {
    // All of it within one interval, however long it takes.
    context.mock.method(performance, 'now', () => 0);
    const sent: { stage: string; progress: number }[] = [];
    const stages: string[] = [];
    let onTheWay = 0;
    const progress = reportProgress(
      async (now) => {
        assert.equal(++onTheWay, 1);
        await new Promise(setImmediate);
        sent.push(now);
        onTheWay--;
      },
      (stage, seconds) => {
        assert.ok(seconds >= 0);
        stages.push(stage);
      },
    );
    for (const stage of ['loading', 'decoding', 'separating', 'encoding', 'storing'] as const) {
      for (let step = 0; step <= 1000; step++) progress.report(stage, step / 1000);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    // A try that begins anew does not go back.
    progress.report('loading');
    await progress.flush();
    assert.deepEqual(stages, [
      'loading',
      'decoding',
      'separating',
      'encoding',
      'storing',
      'loading',
    ]);
    assert.deepEqual(
      sent.map(({ stage }) => stage),
      stages,
      'thousands of steps within one interval are one report',
    );
    assert.equal(sent[0]?.progress, 0);
    for (const [index, { progress: percent }] of sent.entries()) {
      assert.ok(percent >= (sent[index - 1]?.progress ?? 0) && percent < 100, String(percent));
    }
  });
});
