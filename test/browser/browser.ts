/**
 * A real Chromium, and what its pages play.
 */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { chromium, type BrowserContextOptions, type Page } from 'playwright-core';
import { HANG_MS } from '../support/until.js';

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--autoplay-policy=no-user-gesture-required'],
});
after(() => browser.close());

/** What went wrong in a page: errors on its console, and requests to other hosts. */
const faults = new WeakMap<Page, string[]>();

/**
 * Opens a page of the service.
 *
 * @param address of the service; requests to other origins are faults.
 * @param options `listen` records what is played, and needs a page without its content security
 *   policy; the others are Playwright's, such as the size of the window.
 */
export async function openPage(
  address: string,
  {
    hash = '',
    listen = false,
    ...options
  }: BrowserContextOptions & { hash?: string; listen?: boolean } = {},
): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    acceptDownloads: true,
    // The recorder is a script that the page does not allow.
    bypassCSP: listen,
    ...options,
  });
  context.setDefaultTimeout(HANG_MS);
  const page = await context.newPage();
  const found: string[] = [];
  faults.set(page, found);
  page.on('console', (message) => {
    if (message.type() === 'error') found.push(message.text());
  });
  page.on('pageerror', (error) => found.push(String(error)));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol !== 'blob:' && url.origin !== new URL(address).origin)
      found.push(`request to ${url.href}`);
  });
  // tsx keeps the names of functions with it, also of those that are sent to the page.
  await page.addInitScript('globalThis.__name = (value) => value;');
  if (listen) await page.addInitScript(recordSound, RECORDER);
  await page.goto(`${address}/${hash}`);
  return page;
}

/**
 * Closes the page, and fails if anything went wrong in it.
 *
 * @param expected faults that belong to the test.
 */
export async function closePage(page: Page, expected = /^$/): Promise<void> {
  await page.context().close();
  assert.deepEqual(
    faults.get(page)?.filter((fault) => !expected.test(fault)),
    [],
  );
}

declare global {
  interface Window {
    /** What goes to the speakers: two channels, from the last call of startListening on. */
    heard: { left: Float32Array[]; right: Float32Array[]; context?: BaseAudioContext };
  }
}

/** An audio worklet, so that no sample is lost however busy the page is. */
const RECORDER = `registerProcessor('recorder', class extends AudioWorkletProcessor {
  process([[left, right = left] = []]) {
    if (left) this.port.postMessage([left.slice(), right.slice()]);
    return true;
  }
});`;

/** Runs in the page, before its own scripts: records whatever is connected to the speakers. */
function recordSound(recorder: string): void {
  window.heard = { left: [], right: [] };
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with its own this
  const connect = AudioNode.prototype.connect as (this: AudioNode, ...args: unknown[]) => AudioNode;
  const taps = new WeakMap<BaseAudioContext, GainNode>();
  const makeTap = (context: AudioContext): GainNode => {
    const tap = new GainNode(context);
    taps.set(context, tap);
    window.heard.context = context;
    const url = URL.createObjectURL(new Blob([recorder], { type: 'text/javascript' }));
    void context.audioWorklet.addModule(url).then(() => {
      const node = new AudioWorkletNode(context, 'recorder');
      node.port.onmessage = ({
        data: [left, right],
      }: MessageEvent<[Float32Array, Float32Array]>) => {
        window.heard.left.push(left);
        window.heard.right.push(right);
      };
      connect.call(tap, node);
      connect.call(node, context.destination);
    });
    return tap;
  };
  AudioNode.prototype.connect = function (this: AudioNode, ...args: unknown[]) {
    const { context } = this;
    if (args[0] instanceof AudioDestinationNode && context instanceof AudioContext)
      connect.call(this, taps.get(context) ?? makeTap(context));
    return connect.apply(this, args);
  };
}

/** Forgets what was heard so far. */
export const startListening = (page: Page): Promise<void> =>
  page.evaluate(() => {
    window.heard.left = [];
    window.heard.right = [];
  });

/** The left channel that was heard since the last start, once there are so many seconds that sound. */
export async function heard(page: Page, seconds: number): Promise<Float32Array> {
  await page.waitForFunction((wanted) => {
    const { left, context } = window.heard;
    const sounding = left.filter((block) => block.some((sample) => sample !== 0));
    const frames = sounding.reduce((sum, { length }) => sum + length, 0);
    return context !== undefined && frames >= wanted * context.sampleRate;
  }, seconds);
  const samples = await page.evaluate(() => window.heard.left.flatMap((block) => [...block]));
  return Float32Array.from(samples);
}

/**
 * Level of what was heard minus what should be heard, relative to the latter, in dB. The start of
 * what was heard, before the first sample that is not 0, is left out.
 *
 * @param expected samples from the position on at which playing began.
 */
export function errorDb(actual: Float32Array, expected: Float32Array, frames: number): number {
  // Below that there is only what a pan in the center lets through of the other channel.
  const first = (samples: Float32Array) => samples.findIndex((sample) => Math.abs(sample) > 1e-7);
  const delay = first(actual) - first(expected);
  let [signal, error] = [0, 0];
  for (let i = Math.max(0, -delay); i < frames; i++) {
    signal += (expected[i] ?? 0) ** 2;
    error += ((actual[i + delay] ?? 0) - (expected[i] ?? 0)) ** 2;
  }
  return 10 * Math.log10(error / signal);
}
