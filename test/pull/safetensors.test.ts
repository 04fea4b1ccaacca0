/** Files of weights come from the network: a damaged one is an error, and never more than that. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { OxboardError } from '../../src/errors.js';
import { readSafetensors } from '../../src/pull/safetensors.js';
import { temporaryFolder } from '../support/audio.js';
import { headerOf, writeFileWithHeader, type Tensor } from '../support/published.js';
import { mutate, randomNumbers } from '../support/random.js';

const TENSORS: Tensor[] = [
  { name: 'encoder.0.weight', dtype: 'F16', shape: [4, 3] },
  { name: 'quoted " : name', dtype: 'I64', shape: [2, 0, 5] },
  { name: 'scale', dtype: 'F32', shape: [] },
  { name: 'bias', dtype: 'BF16', shape: [7] },
];
const METADATA = { klass: 'some.Class', kwargs: '{"a": {"b": 1}}' };

const honest = headerOf(TENSORS, METADATA);
const text = JSON.stringify(honest.header);

const invalid = (file: string) =>
  assert.rejects(
    readSafetensors(file),
    (error) =>
      error instanceof OxboardError &&
      error.code === 'MODEL_INVALID' &&
      error.message.startsWith(file) &&
      // Names out of the file must not reach a terminal as they are.
      !/[\0-\x1f]/.test(error.message), // eslint-disable-line no-control-regex
  );

describe('reading safetensors', () => {
  it('finds every tensor and text', async (context) => {
    const file = path.join(temporaryFolder(context), 'honest');
    const start = writeFileWithHeader(file, text, honest.dataBytes);
    const { metadata, tensors } = await readSafetensors(file);
    assert.deepEqual(Object.fromEntries(metadata), METADATA);
    assert.deepEqual(
      [...tensors.values()].map(({ name, dtype, shape }) => ({ name, dtype, shape })),
      TENSORS,
    );
    assert.deepEqual(
      [...tensors.values()].map(({ offset, bytes }) => [offset - start, bytes]),
      [
        [0, 24],
        [24, 0],
        [24, 4],
        [28, 14],
      ],
    );
  });

  /** The honest header with one tensor in place of the second to last. */
  const withScale = (entry: object): string =>
    JSON.stringify({ ...honest.header, scale: { ...(honest.header.scale as object), ...entry } });

  const headers: Record<string, string | Buffer> = {
    'nothing in its header': '',
    'no JSON': text.slice(0, -1),
    'JSON that is no object': '[]',
    null: 'null',
    'text that is not UTF-8': Buffer.from(text.replace('bias', '\xff'), 'latin1'),
    'a byte order mark': `\ufeff${text}`,
    'a key twice': text.replace('{', '{"bias":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'),
    'a key of a tensor twice': text.replace('"dtype"', '"dtype":"F32","dtype"'),
    'endless brackets': '['.repeat(1 << 20),
    'a type nobody knows': withScale({ dtype: 'F128' }),
    'a type from the prototype': withScale({ dtype: 'constructor' }),
    'a shape of fractions': withScale({ shape: [0.5, 2] }),
    'a negative shape': withScale({ shape: [-1, -1] }),
    'a shape beyond all numbers': withScale({ shape: Array(8).fill(2 ** 52) }),
    'a shape of too many dimensions': withScale({ shape: Array(9).fill(1) }),
    'more bytes than its shape': withScale({ data_offsets: [24, 32] }),
    'a place that ends before it begins': withScale({ data_offsets: [28, 24] }),
    'a place before the data': withScale({ data_offsets: [-4, 0] }),
    'a place beyond the file': withScale({ data_offsets: [2 ** 52, 2 ** 52 + 4] }),
    'a place that overlaps': withScale({ data_offsets: [20, 24] }),
    'a gap': withScale({ data_offsets: [26, 30] }),
    'something unknown about a tensor': withScale({ strides: [1] }),
    'a tensor that is a number': JSON.stringify({ ...honest.header, scale: 4 }),
    'a tensor that is null': JSON.stringify({ ...honest.header, scale: null }),
    'metadata that are no texts': JSON.stringify({ ...honest.header, __metadata__: { a: 1 } }),
    'metadata that are a list': JSON.stringify({ ...honest.header, __metadata__: ['a'] }),
    'a name for terminals': text.replace('"bias":{', '"\\u001b[31m\\n":{"x":1,'),
  };
  for (const [name, header] of Object.entries(headers)) {
    it(`refuses ${name}`, async (context) => {
      const file = path.join(temporaryFolder(context), 'bad');
      writeFileWithHeader(file, header, honest.dataBytes);
      await invalid(file);
    });
  }

  const damages: Record<string, (file: string) => void> = {
    'a missing file': () => undefined,
    'a folder': (file) => mkdirSync(file),
    'a pipe': (file) => execFileSync('mkfifo', [file]),
    'an empty file': (file) => writeFileSync(file, ''),
    'half a length': (file) => writeFileSync(file, '\x10\0\0'),
    'a header longer than the file': (file) =>
      writeFileSync(file, Buffer.from([99, 0, 0, 0, 0, 0, 0, 0, 123, 125])),
    'a header without end': (file) => writeFileSync(file, Buffer.alloc(64, 0xff)),
    'a web page': (file) => writeFileSync(file, '<!doctype html><html><body>404'.repeat(99)),
    'a missing end': (file) => {
      writeFileWithHeader(file, text, honest.dataBytes);
      truncateSync(file, statSync(file).size - 1);
    },
    'something at the end': (file) => {
      writeFileWithHeader(file, text, honest.dataBytes);
      appendFileSync(file, 'x');
    },
  };
  for (const [name, make] of Object.entries(damages)) {
    it(`refuses ${name}`, async (context) => {
      const file = path.join(temporaryFolder(context), 'bad');
      make(file);
      await invalid(file);
    });
  }

  /** @returns whether the file was accepted; then every tensor lies inside of it. */
  async function read(file: string): Promise<boolean> {
    const size = statSync(file).size;
    try {
      const { tensors } = await readSafetensors(file);
      for (const { offset, bytes, shape } of tensors.values()) {
        assert.ok(offset >= 8 && bytes >= 0 && offset + bytes <= size);
        assert.ok(shape.every((length) => Number.isSafeInteger(length) && length >= 0));
      }
      return true;
    } catch (error) {
      assert.ok(error instanceof OxboardError && error.code === 'MODEL_INVALID', String(error));
      return false;
    }
  }

  async function fuzz(
    context: TestContext,
    rounds: number,
    damage: (random: () => number, file: string) => void,
  ): Promise<void> {
    const file = path.join(temporaryFolder(context), 'fuzzed');
    const random = randomNumbers(5);
    let refused = 0;
    for (let round = 0; round < rounds; round++) {
      damage(random, file);
      if (!(await read(file))) refused++;
    }
    assert.ok(refused > rounds / 2, `${refused} of ${rounds} refused`);
  }

  it('survives headers whose values are anything', (context) =>
    fuzz(context, 3000, (random, file) => {
      let header: unknown = honest.header;
      for (let times = Math.ceil(random() * 3); times > 0; times--) header = mutate(random, header);
      writeFileWithHeader(file, JSON.stringify(header), honest.dataBytes);
    }));

  it('survives bytes that are anything', (context) => {
    const whole = Buffer.concat([
      Buffer.from([text.length & 0xff, text.length >> 8, 0, 0, 0, 0, 0, 0]),
      Buffer.from(text),
      Buffer.alloc(honest.dataBytes),
    ]);
    return fuzz(context, 3000, (random, file) => {
      const copy = Buffer.from(whole);
      for (let times = Math.ceil(random() * 4); times > 0; times--) {
        copy[Math.floor(random() * (8 + text.length))] = Math.floor(random() * 256);
      }
      const end = random() < 0.3 ? Math.floor(random() * copy.length) : copy.length;
      writeFileSync(file, copy.subarray(0, end));
    });
  });
});
