/** DEMUCS_AUTO_PULL, with weights of full size in a folder. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { startAutoPull } from '../../src/bin/service/auto-pull.js';
import type { ModelPull } from '../../src/jobs/ports.js';
import { currentDefault } from '../../src/worker/installed.js';
import { temporaryFolder } from '../support/audio.js';
import { modelsDir } from '../support/cli.js';
import { skeleton, writePublished } from '../support/published.js';
import { until } from '../support/until.js';

const NAME = 'htdemucs_6s';
const silent = { error: ignore, warn: ignore, info: ignore, debug: ignore };
function ignore(): void {
  // Nobody reads these logs.
}

describe('DEMUCS_AUTO_PULL', () => {
  it('pulls the default model, tells how far it is, and tries again', async (context) => {
    const source = temporaryFolder(context);
    const folder = temporaryFolder(context);
    const config = {
      autoPull: true,
      autoPullUnlicensed: true,
      defaultModel: NAME,
      modelsDir: folder,
      hubToken: undefined,
      device: 'cpu',
      threads: 1,
    };
    const pull = await startAutoPull({ config, logger: silent, source, retryMs: 200 });
    context.after(() => pull.stop());
    const failed = await until(() => {
      const state = pull.state();
      return state?.status === 'waiting' && state;
    }, 'the failure');
    assert.deepEqual([failed.model, failed.error?.code], [NAME, 'DOWNLOAD_NOT_FOUND']);
    assert.ok(!JSON.stringify(failed).includes(source), 'no path of this machine');
    const before = await currentDefault(config);
    assert.notEqual(before.name, NAME, 'another model serves meanwhile');

    const seen = new Map<number, ModelPull>();
    writePublished(path.join(source, '5c90dfd2.safetensors'), skeleton('htdemucs_6'), {
      sparse: true,
    });
    await until(() => {
      const state = pull.state();
      if (state?.status === 'pulling') seen.set(state.progress, state);
      return state === null;
    }, 'the model');
    assert.ok(seen.size > 0);
    assert.equal((await currentDefault(config)).name, NAME);

    const again = await startAutoPull({ config, logger: silent });
    assert.equal(again.state(), null, 'what is there is not pulled');
  });

  it('ends in the middle when the service does', async (context) => {
    const source = temporaryFolder(context);
    const config = {
      autoPull: true,
      autoPullUnlicensed: true,
      defaultModel: NAME,
      modelsDir: temporaryFolder(context),
      hubToken: undefined,
      device: 'cpu',
      threads: 1,
    };
    writePublished(path.join(source, '5c90dfd2.safetensors'), skeleton('htdemucs_6'), {
      sparse: true,
    });
    const pull = await startAutoPull({ config, logger: silent, source });
    await pull.stop();
    assert.notEqual((await currentDefault(config)).name, NAME);
  });

  it('pulls no weights without a stated license unless it is told to', async (context) => {
    const folder = temporaryFolder(context);
    const config = {
      autoPull: true,
      autoPullUnlicensed: false,
      defaultModel: NAME,
      modelsDir: folder,
      hubToken: undefined,
      device: 'cpu',
      threads: 1,
    };
    await assert.rejects(startAutoPull({ config, logger: silent, source: folder }), {
      code: 'LICENSE_NOT_STATED',
      message: /htdemucs_6s .*DEMUCS_AUTO_PULL_UNLICENSED=true/,
    });
    // Without a name it takes a model that has one.
    const unnamed = { ...config, defaultModel: undefined };
    const pull = await startAutoPull({ config: unnamed, logger: silent, source: folder });
    assert.equal(pull.state()?.model, 'spleeter-2stems');
    await pull.stop();
  });

  it('refuses a default model that is neither installed nor published', async () => {
    const config = {
      autoPull: true,
      autoPullUnlicensed: true,
      defaultModel: 'my_own',
      modelsDir,
      hubToken: undefined,
      device: 'cpu',
      threads: 1,
    };
    await assert.rejects(startAutoPull({ config, logger: silent }), { code: 'MODEL_UNKNOWN' });
    await assert.rejects(currentDefault({ ...config, autoPull: false }), {
      code: 'MODEL_NOT_FOUND',
    });
  });
});
