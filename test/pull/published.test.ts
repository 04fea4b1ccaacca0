/** Which graph published weights belong into, and that they fill it to the last parameter. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { OxboardError, type ErrorCode } from '../../src/errors.js';
import { restoreTasks } from '../../src/pull/diffq.js';
import { listArchives } from '../../src/models/library.js';
import { readWeightsFile } from '../../src/pull/weights-file.js';
import { readSafetensors } from '../../src/pull/safetensors.js';
import { findSkeleton, listSkeletons, verifySkeleton } from '../../src/pull/skeletons.js';
import { temporaryFolder } from '../support/audio.js';
import {
  headerOf,
  metadataOf,
  quantisedOf,
  skeleton,
  skeletons,
  tensorsOf,
  writeFileWithHeader,
  writePublished,
  type Tensor,
} from '../support/published.js';
import { mutate, randomNumbers } from '../support/random.js';

const refusal =
  (code: ErrorCode, words = '') =>
  (error: unknown) => {
    assert.ok(error instanceof OxboardError, String(error));
    assert.equal(error.code, code);
    assert.ok(error.message.includes(words), error.message);
    return true;
  };

type Arguments = Record<string, unknown>;

/** What a file cannot say otherwise: see readWeightsFile. */
const isCall = (value: unknown): value is [unknown[], Arguments] =>
  Array.isArray(value) &&
  Array.isArray(value[0]) &&
  value[1] !== null &&
  typeof value[1] === 'object';

const H = 'demucs.hdemucs.HDemucs';
const HT = 'demucs.htdemucs.HTDemucs';
const SIX = ['drums', 'bass', 'other', 'vocals', 'guitar', 'piano'];
const FOUR = SIX.slice(0, 4);
const LENGTH = { _type: 'fraction', numerator: 39, denominator: 5 };

describe('the graph of a published network', () => {
  it('is there for every architecture, whole, and small', async () => {
    const found = await listSkeletons();
    assert.deepEqual(
      found.map(({ architecture }) => architecture),
      ['hdemucs_complex', 'hdemucs_magnitude', 'hdemucs_magnitude_old', 'htdemucs_4', 'htdemucs_6'],
    );
    await Promise.all(found.map(verifySkeleton));
  });

  it('is not taken for a model', async () => {
    const names = (await listArchives({})).map(({ name }) => name);
    assert.ok(names.includes('oxboard-mini') && !names.includes('skeletons'));
  });

  const calls: [string, string, unknown[], Arguments][] = [
    ['htdemucs_4', HT, [FOUR], { dconv_mode: 3, bottom_channels: 512, segment: LENGTH }],
    ['htdemucs_4', HT, [FOUR, 2, 48], { dconv_mode: 3, bottom_channels: 512, segment: 7.8 }],
    ['htdemucs_6', HT, [], { sources: SIX, dconv_mode: 3, segment: LENGTH, t_dropout: 0.02 }],
    ['hdemucs_complex', H, [FOUR], {}],
    ['hdemucs_complex', H, [['a', 'b', 'c', 'd']], { segment: 44, rescale: 0.5, multi_freqs: [] }],
    ['hdemucs_magnitude', H, [FOUR], { cac: false, gone_since_then: 1 }],
    ['hdemucs_magnitude_old', H, [FOUR], { cac: false, hybrid_old: true }],
  ];
  for (const [architecture, klass, args, kwargs] of calls) {
    it(`is found: ${architecture} for ${JSON.stringify([args, kwargs])}`, async () => {
      const found = await findSkeleton(klass, args, kwargs);
      assert.equal(found.skeleton.architecture, architecture);
      assert.deepEqual(found.sources, args[0] ?? kwargs.sources);
      assert.equal(found.segment, klass === HT ? 343_980 : 44_100 * Number(kwargs.segment ?? 40));
    });
  }

  it('is found by the arguments that a training run records', async () => {
    for (const [architecture, description] of skeletons) {
      const kwargs = JSON.parse(metadataOf(description).kwargs!) as Arguments;
      const found = await findSkeleton(description.klass, [], kwargs);
      assert.equal(found.skeleton.architecture, architecture);
    }
  });

  const htdemucs = { dconv_mode: 3, bottom_channels: 512, segment: LENGTH };
  const refused: [ErrorCode, string, string, unknown[], Arguments][] = [
    ['MODEL_ARCHITECTURE_UNKNOWN', 'a demucs.demucs.Demucs;', 'demucs.demucs.Demucs', [FOUR], {}],
    ['MODEL_ARCHITECTURE_UNKNOWN', 'a os.system;', 'os.system', ['true'], {}],
    ['MODEL_ARCHITECTURE_UNKNOWN', 'depth=5 instead of 6', H, [FOUR], { depth: 5 }],
    ['MODEL_ARCHITECTURE_UNKNOWN', 'multi_freqs=[0.5] instead', H, [FOUR], { multi_freqs: [0.5] }],
    ['MODEL_ARCHITECTURE_UNKNOWN', '2 sources instead of 4', H, [['a', 'b']], {}],
    ['MODEL_ARCHITECTURE_UNKNOWN', 'segment=10', HT, [FOUR], { ...htdemucs, segment: 10 }],
    [
      'MODEL_ARCHITECTURE_UNKNOWN',
      't_sin_random_shift=3',
      HT,
      [FOUR],
      { ...htdemucs, t_sin_random_shift: 3 },
    ],
    ['MODEL_INVALID', 'no sources', H, [], {}],
    ['MODEL_INVALID', 'no sources', H, ['drums'], {}],
    ['MODEL_INVALID', 'sources is given twice', H, [FOUR], { sources: FOUR }],
    ['MODEL_INVALID', '99 are given without names', H, Array(99).fill(1), {}],
    ['MODEL_INVALID', 'a segment of -1 seconds', H, [FOUR], { segment: -1 }],
    ['MODEL_INVALID', 'a segment of null seconds', H, [FOUR], { segment: null }],
    ['MODEL_INVALID', 'a segment of 1e+300 seconds', H, [FOUR], { segment: 1e300 }],
  ];
  for (const [code, words, klass, args, kwargs] of refused) {
    it(`is refused by name: ${words}`, () =>
      assert.rejects(findSkeleton(klass, args, kwargs), refusal(code, words)));
  }

  it('is found or refused, whatever the arguments are', async () => {
    const random = randomNumbers(11);
    const honest = JSON.parse(metadataOf(skeleton('htdemucs_4')).kwargs!) as Arguments;
    let refusals = 0;
    for (let round = 0; round < 400; round++) {
      const call = mutate(random, mutate(random, [[], honest]));
      if (!isCall(call)) continue;
      try {
        const { segment, sources } = await findSkeleton(HT, ...call);
        assert.ok(segment === 343_980 && sources.length === 4);
      } catch (error) {
        assert.ok(error instanceof OxboardError && error.message.length < 2000, String(error));
        refusals++;
      }
    }
    assert.ok(refusals > 50);
  });
});

describe('a published file', () => {
  /** A file of that architecture with damaged tensors or metadata, and no space on the disk. */
  function published(
    context: TestContext,
    {
      tensors = tensorsOf(skeleton('htdemucs_6')),
      metadata = metadataOf(skeleton('htdemucs_6')),
    }: { tensors?: Tensor[]; metadata?: Record<string, string> },
  ): string {
    const file = path.join(temporaryFolder(context), 'weights.safetensors');
    const { header, dataBytes } = headerOf(tensors, metadata);
    writeFileWithHeader(file, JSON.stringify(header), dataBytes);
    return file;
  }

  it('fills each parameter of its graph from a place of its own', async (context) => {
    const file = path.join(temporaryFolder(context), 'weights.safetensors');
    for (const [architecture, description] of skeletons) {
      writePublished(file, description, { sparse: true });
      const { skeleton: found, parameters } = await readWeightsFile(file);
      assert.equal(found.architecture, architecture);
      assert.deepEqual(
        parameters.map(({ name }) => name),
        description.parameters.map(({ name }) => name.replaceAll('.', '__')),
      );
      assert.equal(
        new Set(parameters.map((one) => 'offset' in one && one.offset)).size,
        parameters.length,
      );
    }
  });

  const six = skeleton('htdemucs_6');
  const honest = tensorsOf(six);
  const [first, second, ...rest] = honest as [Tensor, Tensor, ...Tensor[]];
  const damages: [string, Tensor[]][] = [
    [`has no ${first.name}`, [second, ...rest]],
    ['its network has no "more"', [...honest, { name: 'more', dtype: 'F16', shape: [1] }]],
    [`its ${first.name} has the shape 5`, [{ ...first, shape: [5] }, second, ...rest]],
    [`its ${first.name} is of type I64`, [{ ...first, dtype: 'I64' }, second, ...rest]],
    ['has no', []],
  ];
  for (const [words, tensors] of damages) {
    it(`is refused: ${words}`, (context) =>
      assert.rejects(
        readWeightsFile(published(context, { tensors })),
        refusal('MODEL_INVALID', words),
      ));
  }

  const metadata = metadataOf(six);
  const texts: [string, Record<string, string>][] = [
    ['does not say which network', {}],
    ['"args" is missing', { klass: six.klass }],
    ['"kwargs" is malformed', { ...metadata, kwargs: '[]' }],
    ['"kwargs" is missing or not JSON', { ...metadata, kwargs: '{"rescale": NaN}' }],
    ['"args" is malformed', { ...metadata, args: '{}' }],
    ['described in an unknown way', { ...metadata, structure: '{"_dict": []}' }],
  ];
  for (const [words, changed] of texts) {
    it(`is refused: ${words}`, (context) =>
      assert.rejects(
        readWeightsFile(published(context, { metadata: changed })),
        refusal('MODEL_INVALID', words),
      ));
  }
});

describe('quantised weights', () => {
  const description = skeleton('hdemucs_complex');
  const quantised = quantisedOf(description);

  function file(context: TestContext): string {
    const place = path.join(temporaryFolder(context), 'weights.safetensors');
    const { header, dataBytes } = headerOf(quantised.tensors, quantised.metadata);
    writeFileWithHeader(place, JSON.stringify(header), dataBytes);
    return place;
  }

  it('fill each parameter, the small ones as they are', async (context) => {
    const { parameters } = await readWeightsFile(file(context));
    assert.equal(parameters.length, description.parameters.length);
    for (const [index, parameter] of parameters.entries()) {
      const numbers = description.parameters[index]!.shape.reduce((all, one) => all * one, 1);
      assert.equal('levels' in parameter, numbers > 52_428);
      if (!('levels' in parameter)) continue;
      assert.deepEqual(
        parameter.levels.map(({ bits, packed }) => [bits, packed.width, packed.lines]),
        [[4, 4, Math.ceil(numbers / 2048)]],
      );
      const { groupSize, minBits, minimum, maximum } = parameter;
      assert.deepEqual([groupSize, minBits, minimum, maximum], [8, 2, -0.25, 0.25]);
    }
  });

  it('are refused when another quantizer made them', async (context) => {
    const source = await readSafetensors(file(context));
    const [found] = (await listSkeletons()).filter(
      ({ architecture }) => architecture === description.architecture,
    );
    const text = JSON.stringify(quantised.structure);
    const changes: [string | RegExp, string][] = [
      ['diffq.diffq.DiffQuantizer', 'diffq.uniform.UniformQuantizer'],
      ['["packed",true]', '["packed",false]'],
      ['["torch_pack",false]', '["torch_pack",true]'],
      ['["min_size",0.2]', '["min_size",0.1]'],
      ['["min_size",0.2]', '["exclude",{"_list":["*.bias"]}]'],
      ['["group_size",8]', '["group_size",0]'],
      ['state.others.0"', 'state.others.1"'],
      ['{"_tensor":"state.others.0"},', ''],
      ['{"_tensor":"state.others.0"}', '{"_tensor":"state.others.0"},{"_tensor":"state.others.0"}'],
      ['state.quantized.0.2', 'state.others.0'],
      ['state.quantized.0.2', 'nowhere'],
      [/\{"_tensor":"state.quantized.0.0.3"\}/, 'null'],
      ['["__quantized",true]', '["__quantized",false]'],
    ];
    for (const [before, after] of changes) {
      const changed = text.replace(before, after);
      assert.notEqual(changed, text);
      assert.throws(
        () => restoreTasks(source, JSON.parse(changed), found!),
        refusal('MODEL_INVALID'),
        String(before),
      );
    }
  });

  it('are restored or refused, whatever describes them', async (context) => {
    const source = await readSafetensors(file(context));
    const [found] = (await listSkeletons()).filter(
      ({ architecture }) => architecture === description.architecture,
    );
    const random = randomNumbers(3);
    let refusals = 0;
    for (let round = 0; round < 300; round++) {
      try {
        const tasks = restoreTasks(source, mutate(random, quantised.structure), found!);
        assert.equal(tasks.size, description.parameters.length);
      } catch (error) {
        assert.ok(error instanceof OxboardError && error.code === 'MODEL_INVALID', String(error));
        refusals++;
      }
    }
    assert.ok(refusals > 100);
  });
});
