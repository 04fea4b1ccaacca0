/** Kinds of files that few programs still write; those that ffmpeg cannot write are made here. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { decode } from '../../src/audio/decode.js';
import { probe } from '../../src/audio/probe.js';
import { makeAudio, temporaryFolder } from '../support/audio.js';

const RATE = 44_100;
const SECONDS = 2;
const HERTZ = 440;
const AMPLITUDE = 0.4;
const sample = (seconds: number) => AMPLITUDE * Math.sin(2 * Math.PI * HERTZ * seconds);
const SINES = `${String(AMPLITUDE)}*sin(2*PI*${String(HERTZ)}*t)`;

/** A lossless Shorten file of one channel: blocks of residuals against nothing. */
function shorten(): Buffer {
  const bits: number[] = [];
  /** Rice code: the upper part as zeros before a one, the lower as it is. */
  const rice = (value: number, lowBits: number) => {
    for (let zeros = value >> lowBits; zeros > 0; zeros--) bits.push(0);
    bits.push(1);
    for (let bit = lowBits - 1; bit >= 0; bit--) bits.push((value >> bit) & 1);
  };
  const number = (value: number) => {
    const length = 32 - Math.clz32(value);
    rice(length, 2);
    rice(value, length);
  };
  const [S16_LITTLE_ENDIAN, DIFF0, QUIT, VERBATIM] = [5, 0, 4, 9];
  const [BLOCK, LOW_BITS] = [256, 13];
  const frames = RATE * SECONDS;
  for (const value of [S16_LITTLE_ENDIAN, 1, BLOCK, 0, 0, 0]) number(value);
  const wav = Buffer.alloc(44);
  wav.write('RIFF\0\0\0\0WAVEfmt ', 'latin1');
  wav.writeUInt32LE(36 + 2 * frames, 4);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(RATE, 24);
  wav.writeUInt32LE(2 * RATE, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(2 * frames, 40);
  rice(VERBATIM, 2);
  rice(wav.length, 5);
  for (const byte of wav) rice(byte, 8);
  for (let start = 0; start + BLOCK <= frames; start += BLOCK) {
    rice(DIFF0, 2);
    rice(LOW_BITS, 3);
    for (let at = start; at < start + BLOCK; at++) {
      const value = Math.round(sample(at / RATE) * 32_768);
      rice(value < 0 ? -2 * value - 1 : 2 * value, LOW_BITS + 1);
    }
  }
  rice(QUIT, 2);
  while (bits.length % 8 > 0) bits.push(0);
  const bytes = Buffer.alloc(bits.length / 8 + 16);
  for (const [at, bit] of bits.entries())
    bytes[at >> 3] = bytes[at >> 3]! | (bit << (7 - (at & 7)));
  return Buffer.concat([Buffer.from('ajkg\x02', 'latin1'), bytes]);
}

/** DSDIFF of two equal channels: a sigma-delta modulator of the second order. */
function dsdiff(): Buffer {
  const rate = 64 * RATE;
  const data = Buffer.alloc((2 * rate * SECONDS) / 8);
  let [first, second, output] = [0, 0, 0];
  for (let at = 0; at < rate * SECONDS; at++) {
    first += sample(at / rate) - output;
    second += first - 2 * output;
    output = second >= 0 ? 1 : -1;
    if (output < 0) continue;
    const place = 2 * (at >> 3);
    const bit = 0x80 >> (at & 7);
    for (const side of [0, 1]) data[place + side] = data[place + side]! | bit;
  }
  const chunk = (name: string, ...parts: (Buffer | string)[]) => {
    const body = Buffer.concat(parts.map((part) => Buffer.from(part as string, 'latin1')));
    const head = Buffer.alloc(12);
    head.write(name, 'latin1');
    head.writeBigUInt64BE(BigInt(body.length), 4);
    return Buffer.concat([head, body]);
  };
  const frequency = Buffer.alloc(4);
  frequency.writeUInt32BE(rate);
  return chunk(
    'FRM8',
    'DSD ',
    chunk('FVER', '\x01\x05\x00\x00'),
    chunk(
      'PROP',
      'SND ',
      chunk('FS  ', frequency),
      chunk('CHNL', '\x00\x02SLFTSRGT'),
      chunk('CMPR', 'DSD \x0enot compressed\x00'),
    ),
    chunk('DSD ', data),
  );
}

describe('a rare kind of file is decoded', () => {
  const kinds: [name: string, make: (file: string) => void][] = [
    ['a.shn', (file) => writeFileSync(file, shorten())],
    ['a.dff', (file) => writeFileSync(file, dsdiff())],
    ['a.rm', (file) => encode(file, ['-c:a', 'ac3', '-b:a', '192k', '-f', 'rm'])],
    ['a.latm', (file) => encode(file, ['-c:a', 'aac', '-b:a', '192k', '-f', 'latm'])],
    ['a.voc', (file) => encode(file, ['-c:a', 'pcm_s16le'])],
    ['a.aifc', (file) => encode(file, ['-c:a', 'pcm_f32be', '-f', 'aiff'])],
  ];
  const encode = (file: string, options: string[]) =>
    makeAudio(file, `${SINES}|${SINES}`, { seconds: SECONDS, options });

  for (const [name, make] of kinds) {
    it(name, async (context) => {
      const file = path.join(temporaryFolder(context), name);
      make(file);
      const input = await probe(file);
      const blocks: Float32Array[] = [];
      const mono = { sampleRate: RATE, channelCount: 1 };
      for await (const block of decode(input, mono)) blocks.push(block.slice());
      const samples = blocks.flatMap((block) => [...block]);
      const frames = RATE * SECONDS;
      assert.ok(Math.abs(samples.length - frames) < 4096, String(samples.length));
      // A second of it, far from both ends.
      const middle = samples.slice(RATE / 2, RATE * 1.5);
      const rises = middle.filter((now, at) => at > 0 && middle[at - 1]! < 0 && now >= 0).length;
      assert.ok(Math.abs(rises - HERTZ) <= 1, `${String(rises)} periods`);
      const power = middle.reduce((sum, now) => sum + now * now, 0) / middle.length;
      const levelDb = 10 * Math.log10(power / (AMPLITUDE ** 2 / 2));
      assert.ok(Math.abs(levelDb) < 0.5, `${levelDb.toFixed(2)} dB`);
    });
  }
});
