/** .env.example and .env. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import { readServiceConfig } from '../../src/config.js';
import { temporaryFolder } from '../support/audio.js';
import { oxboard } from '../support/cli.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const example = readFileSync(path.join(root, '.env.example'), 'utf8');
const folder = temporaryFolder({ after });

describe('.env.example', () => {
  it('says the defaults, so that a copy changes nothing', () => {
    const { environment: _, ...config } = readServiceConfig(parseEnv(example));
    const { environment: __, ...defaults } = readServiceConfig({});
    assert.deepEqual(config, defaults);
  });

  it('leaves commented what a fresh machine does not have, and what decides who may call', () => {
    for (const name of [
      'REDIS_URL',
      'DEMUCS_DEFAULT_MODEL',
      'DEMUCS_MODELS_PATH',
      'HOST',
      'API_KEYS',
    ]) {
      assert.equal(Object.hasOwn(parseEnv(example), name), false, name);
    }
  });
});

describe('a file .env in the working directory', () => {
  for (const command of ['serve', 'api', 'worker']) {
    it(`is read by ${command}; its wrong values stop the start`, async () => {
      writeFileSync(path.join(folder, '.env'), 'JOB_TTL=soon\n');
      const { status, stderr } = await oxboard([command], { cwd: folder });
      assert.equal(
        stderr,
        'oxboard: Expected seconds, an integer of at least 1 for the environment variable JOB_TTL but received "soon"\n',
      );
      assert.equal(status, 2);
    });
  }

  it('with a misspelled secret stops the start, before anybody can use the service', async () => {
    writeFileSync(path.join(folder, '.env'), 'API_KEYZ=one,two\n');
    const { status, stderr } = await oxboard(['serve'], { cwd: folder });
    assert.match(stderr, /^oxboard: API_KEYZ is not a setting\. Did you mean API_KEYS\? .*\n$/);
    assert.equal(status, 2);
  });

  it('gives way to the environment', async () => {
    writeFileSync(path.join(folder, '.env'), 'JOB_TTL=soon\nPORT=1\n');
    const { stderr } = await oxboard(['serve'], {
      cwd: folder,
      env: { JOB_TTL: '60', PORT: 'eight' },
    });
    assert.match(stderr, /^oxboard: Expected port number .* PORT but received "eight"$/m);
  });
});
