/** model.json comes from strangers: whatever it holds is either valid or refused by name. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { OxboardError } from '../../src/errors.js';
import { parseDescription, type ModelDescription } from '../../src/models/archive.js';
import { modelsDir } from '../support/cli.js';
import { mutate, pick, randomNumbers } from '../support/random.js';

const ROUNDS = 20_000;
const FILE = '/models/some/model.json';

const seeds = ['toy', 'htdemucs_ft', 'mdx_extra'].map((name) =>
  readFileSync(path.join(modelsDir, name, 'model.json'), 'utf8'),
);

/** What the rest of the program relies on. */
function checkPromises(model: ModelDescription): void {
  const name = /^[A-Za-z0-9][\w.-]*$/;
  for (const part of [model.name, ...model.sources, ...model.members.map(({ file }) => file)]) {
    assert.match(part, name);
  }
  for (const number of [model.sampleRate, model.channels, model.segment, model.minLength]) {
    assert.ok(Number.isInteger(number) && number > 0);
  }
  assert.ok(model.minLength <= model.segment);
  assert.ok(model.members.length > 0);
  for (const { weights, sha256 } of model.members) {
    assert.equal(weights.length, model.sources.length);
    assert.ok(weights.every((weight) => Number.isFinite(weight) && weight >= 0));
    assert.match(sha256, /^[0-9a-f]{64}$/);
  }
}

/** @returns whether `text` was accepted. */
function parse(text: string): boolean {
  try {
    checkPromises(parseDescription(text, FILE));
    return true;
  } catch (error) {
    assert.ok(error instanceof OxboardError, `${String(error)} for ${text}`);
    assert.equal(error.code, 'MODEL_INVALID');
    assert.ok(error.message.startsWith(`${FILE} is `), error.message);
    assert.ok(!error.message.includes('\n') && error.message.length < 1000, error.message);
    return false;
  }
}

describe('model.json', () => {
  it('is accepted as the exporter writes it', () => {
    for (const text of seeds) assert.ok(parse(text));
  });

  it('is refused with a key that is not known, by its name', () => {
    const json = JSON.parse(seeds[0] ?? '') as { members: object[] };
    const refused = (changed: object, reason: string) => {
      const message = `${FILE} is malformed: ${reason}`;
      assert.throws(() => parseDescription(JSON.stringify(changed), FILE), { message });
    };
    refused({ ...json, context: 4096 }, 'this version does not know "context"');
    refused({ ...json, 'resi\ndual': 'other' }, 'this version does not know "resi\\ndual"');
    const members = json.members.map((member) => ({ ...member, gain: 2 }));
    refused({ ...json, members }, 'members.0: this version does not know "gain"');
  });

  it('may name a license alone, which is then a claim and no more', () => {
    const json = JSON.parse(seeds[0] ?? '') as object;
    const licenseOf = (license: unknown) =>
      parseDescription(JSON.stringify({ ...json, license }), FILE).license;
    assert.equal(licenseOf('MIT')?.grant, 'unclear');
    const stated = { name: 'MIT', grant: 'stated', source: 'its card', checked: '2026-11-27' };
    assert.deepEqual(licenseOf(stated), stated);
    assert.throws(() => licenseOf({ ...stated, grant: 'perhaps' }), { code: 'MODEL_INVALID' });
  });

  it('may say how segments are added, where they have one length', () => {
    const json = { ...(JSON.parse(seeds[0] ?? '') as object), segment: 1000, minLength: 1000 };
    const text = (changes: object) => JSON.stringify({ ...json, ...changes });
    assert.ok(parse(text({ overlapAdd: { overlap: 999, lead: 0 }, normalize: 'none' })));
    for (const changes of [
      { overlapAdd: { overlap: 1000, lead: 0 } },
      { overlapAdd: { overlap: -1, lead: 0 } },
      { overlapAdd: { overlap: 10, lead: 2 ** 40 } },
      { overlapAdd: { overlap: 10, lead: 0 }, minLength: 500 },
      { normalize: 'loudness' },
    ]) {
      assert.equal(parse(text(changes)), false, JSON.stringify(changes));
    }
  });

  it('is valid or refused when values are changed at random', (context) => {
    const random = randomNumbers(1);
    let accepted = 0;
    for (let round = 0; round < ROUNDS; round++) {
      let json: unknown = JSON.parse(pick(random, seeds));
      for (let count = Math.ceil(random() * 3); count > 0; count--) json = mutate(random, json);
      if (parse(JSON.stringify(json))) accepted++;
    }
    context.diagnostic(`${String(accepted)} of ${String(ROUNDS)} were valid`);
    assert.ok(accepted > 0 && accepted < ROUNDS / 2);
  });

  it('is valid or refused when characters are changed at random', () => {
    const random = randomNumbers(2);
    const characters = Array.from('{}[]",:0123456789eE+-.\\ \n\0é\u2028');
    for (let round = 0; round < ROUNDS; round++) {
      let text = pick(random, seeds);
      for (let count = Math.ceil(random() * 4); count > 0; count--) {
        const at = Math.floor(random() * text.length);
        const removed = Math.floor(random() * 4);
        text = text.slice(0, at) + pick(random, characters) + text.slice(at + removed);
      }
      parse(random() < 0.1 ? text.slice(0, Math.floor(random() * text.length)) : text);
    }
  });

  it('is refused when it is built to break a parser', () => {
    const [seed = ''] = seeds;
    for (const text of [
      '',
      '\ufeff' + seed,
      '['.repeat(100_000),
      `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
      '{"a":'.repeat(10_000),
      seed.replace('"channels": 2', '"channels": 2e0000000001'),
      seed.replace('343980', '1e999'),
      seed.replace('"name": "toy"', '"name": "../toy"'),
      seed.replace('"toy.pt"', '"..\\u002ftoy.pt"'),
      seed.replace('1,', '-0.1,'),
    ]) {
      assert.equal(parse(text), false, text.slice(0, 200));
    }
  });
});
