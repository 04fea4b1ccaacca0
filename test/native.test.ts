/** An addon that is missing, damaged, foreign or without its libtorch, and a process without memory. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadNative } from '../src/native.js';
import { modelsDir } from './support/cli.js';
import { run, stagePackage, type StagedPackage } from './support/package.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const linux = { skip: process.platform === 'linux' ? false : 'only for Linux' };
const SETUP = /Build it (anew )?with: npx oxboard setup/;

/** Loads a model and prints what that came to. */
const PROGRAM = `
  import { Separator } from 'oxboard-demucs';
  try {
    const modelsDir = ${JSON.stringify(modelsDir)};
    const separator = await Separator.load('toy', { modelsDir, threads: 1 });
    await separator.dispose();
    console.log(JSON.stringify({ code: 'loaded' }));
  } catch ({ code, message }) {
    console.log(JSON.stringify({ code, message }));
  }`;

interface Loaded {
  code: string;
  message?: string;
}

async function load(folder: string): Promise<Loaded> {
  const { stdout, stderr, signal } = await run(
    process.execPath,
    ['--input-type=module', '--eval', PROGRAM],
    { cwd: folder },
  );
  assert.equal(signal, null, stderr);
  return JSON.parse(stdout) as Loaded;
}

describe('the native addon', () => {
  const flaws: [string, (staged: StagedPackage) => void, string, RegExp][] = [
    ['missing', ({ addon }) => rmSync(addon), 'NATIVE_MISSING', /The native addon is not built/],
    ['a text', ({ addon }) => writeFileSync(addon, 'hello'), 'NATIVE_UNLOADABLE', /damaged/],
    ['empty', ({ addon }) => truncateSync(addon, 0), 'NATIVE_UNLOADABLE', /damaged/],
    [
      'cut short',
      ({ addon }) => truncateSync(addon, 100_000),
      'NATIVE_UNLOADABLE',
      /its end is missing/,
    ],
    [
      'a folder',
      ({ addon }) => {
        rmSync(addon);
        mkdirSync(addon);
      },
      'NATIVE_UNLOADABLE',
      /cannot be read/,
    ],
    [
      'built for macOS',
      ({ addon }) => writeFileSync(addon, Buffer.from('cffaedfe0c000001'.padEnd(400, '0'), 'hex')),
      'NATIVE_UNLOADABLE',
      /another operating system/,
    ],
    [
      'built for another processor',
      ({ addon }) => patch(addon, 18, process.arch === 'x64' ? 183 : 62),
      'NATIVE_UNLOADABLE',
      new RegExp(`another processor than ${process.arch}`),
    ],
    [
      'built for 32 bit',
      ({ addon }) => patch(addon, 4, 1),
      'NATIVE_UNLOADABLE',
      /another processor/,
    ],
    [
      'no addon',
      ({ addon, libtorch }) => {
        if (libtorch) copyFileSync(path.join(libtorch, 'torch', 'lib', 'libc10.so'), addon);
        else compile(addon, 'int nothing;');
      },
      'NATIVE_UNLOADABLE',
      /no addon for Node\.js/,
    ],
    [
      'built for another version of Node.js',
      ({ addon }) => compile(addon, ADDON_OF_NODE_8),
      'NATIVE_UNLOADABLE',
      /another version of Node\.js/,
    ],
    [
      'built with another libtorch',
      ({ addon }) => compile(addon, CALLS_WHAT_IS_NOT_THERE, '-Wl,-z,now'),
      'NATIVE_UNLOADABLE',
      /libtorch is another release/,
    ],
  ];
  for (const [flaw, spoil, code, message] of flaws) {
    it(`that is ${flaw} is told with what mends it`, linux, async (context) => {
      const staged = stagePackage(context);
      spoil(staged);
      const found = await load(staged.folder);
      context.diagnostic(found.message ?? '');
      assert.equal(found.code, code);
      assert.match(found.message ?? '', message);
      assert.match(found.message ?? '', SETUP);
      assert.doesNotMatch(found.message ?? '', /\n/);
    });
  }

  it('whose libtorch was moved is told with what mends it', linux, async (context) => {
    const staged = stagePackage(context);
    if (!staged.libtorch) {
      context.skip('libtorch lies outside of the package');
      return;
    }
    assert.equal((await load(staged.folder)).code, 'loaded');
    rmSync(staged.libtorch);
    const { code, message = '' } = await load(staged.folder);
    context.diagnostic(message);
    assert.equal(code, 'NATIVE_UNLOADABLE');
    assert.match(message, /libtorch was moved or removed since it was built/);
    assert.match(message, SETUP);
  });
});

/**
 * Runs `source` with `megabytes` more of address space than Node.js has taken when it starts. It
 * finds Separator and a `song` of 14 s, and prints JSON.
 */
async function within(megabytes: number, source: string): Promise<unknown> {
  const program = `
    import { execFileSync } from 'node:child_process';
    import { readFileSync } from 'node:fs';
    import { Separator } from 'oxboard-demucs';
    const taken = Number(/VmSize:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
    const limit = (taken + ${String(megabytes)} * 1024) * 1024;
    execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + limit]);
    const modelsDir = ${JSON.stringify(modelsDir)};
    const song = { sampleRate: 44100, channels: [new Float32Array(600_000).fill(0.1)] };
    const said = ({ code, message }) => ({ code, message });
    ${source}`;
  const { stdout, stderr, signal } = await run(
    process.execPath,
    ['--input-type=module', '--eval', program],
    { cwd: root },
  );
  assert.equal(signal, null, stderr);
  return JSON.parse(stdout);
}

/** Address space that the libraries for GPUs take; 0 where libtorch is a CPU build. */
function cudaMegabytes(): number {
  loadNative();
  const bytes = readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => /\/nvidia\/|lib(torch|c10)_cuda/.test(line))
    .map((line) => line.split(/[- ]/).slice(0, 2))
    .map(([start, end]) => Number(`0x${end ?? '0'}`) - Number(`0x${start ?? '0'}`));
  return Math.ceil(bytes.reduce((sum, size) => sum + size, 0) / 2 ** 20);
}

describe('too little memory', () => {
  it('for libtorch is told', linux, async (context) => {
    const error = (await within(
      50,
      `await Separator.load('toy', { modelsDir }).catch((error) => console.log(JSON.stringify(said(error))));`,
    )) as Loaded;
    context.diagnostic(error.message ?? '');
    assert.equal(error.code, 'OUT_OF_MEMORY');
    assert.match(error.message ?? '', /^Not enough memory to load libtorch\. Raise the limit/);
  });

  it('for a batch of segments is told, and smaller batches run', linux, async (context) => {
    const [refused, frames] = (await within(
      1500 + cudaMegabytes(),
      `
      const separator = await Separator.load('toy', { modelsDir, threads: 1 });
      const refused = await separator.separate(song, { overlap: 0.99, batchSize: 64 }).catch(said);
      const { stems } = await separator.separate(song);
      await separator.dispose();
      console.log(JSON.stringify([refused, stems.vocals[0].length]));`,
    )) as [Loaded, number];
    context.diagnostic(refused.message ?? '');
    assert.equal(refused.code, 'OUT_OF_MEMORY');
    assert.match(
      refused.message ?? '',
      /^Not enough memory to run a segment of toy\. Raise the lim/,
    );
    assert.equal(frames, 600_000);
  });
});

function patch(file: string, offset: number, byte: number): void {
  const bytes = readFileSync(file);
  bytes[offset] = byte;
  writeFileSync(file, bytes);
}

/** An addon as it was before Node-API: it names the one version of Node.js that it works with. */
const ADDON_OF_NODE_8 = `
  #include <stddef.h>
  static struct {
    int version; unsigned flags; void* handle; const char* file; void* init; void* context_init;
    const char* name; void* priv; void* link;
  } addon = {57, 0, NULL, "addon.c", NULL, NULL, "addon", NULL, NULL};
  void node_module_register(void* addon);
  __attribute__((constructor)) static void announce(void) { node_module_register(&addon); }`;

const CALLS_WHAT_IS_NOT_THERE = `
  void torch_function_of_another_release(void);
  void napi_register_module_v1(void) { torch_function_of_another_release(); }`;

function compile(addon: string, source: string, ...flags: string[]): void {
  rmSync(addon);
  execFileSync('c++', ['-x', 'c', '-', '-shared', '-fPIC', ...flags, '-o', addon], {
    input: source,
  });
  chmodSync(addon, 0o755);
}
