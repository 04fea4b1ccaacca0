/**
 * The mix as a WAV file, made chunk by chunk with the graph that plays it.
 */
import { ChunkCache } from './chunk-cache.js';
import { MixGraph, type Mix } from './mix-graph.js';
import type { Loop } from './player.js';
import type { Song } from './song.js';

const CHANNELS = 2;
const BYTES_PER_SAMPLE = 3;
const HEADER_BYTES = 44;

interface Rendered {
  parts: Blob[];
  frames: number;
  /** The greatest absolute sample. */
  peak: number;
}

/**
 * @param range sample frames; a loop, or the whole song.
 * @param onProgress gets the part that is done, from 0 to 1.
 * @returns 24-bit PCM. A mix that would be too loud is turned down as a whole.
 */
export async function saveMix(
  song: Song,
  { mix, master, range }: { mix: Mix; master: number; range: Loop },
  onProgress: (fraction: number) => void,
): Promise<Blob> {
  const passes = { song, mix, range };
  const first = await render({ ...passes, master }, onProgress);
  const made =
    first.peak <= 1 ? first : await render({ ...passes, master: master / first.peak }, onProgress);
  return new Blob([wavHeader(made.frames, song.sampleRate), ...made.parts], { type: 'audio/wav' });
}

async function render(
  { song, mix, master, range }: { song: Song; mix: Mix; master: number; range: Loop },
  onProgress: (fraction: number) => void,
): Promise<Rendered> {
  const { chunkFrames, sampleRate, stems, scale } = song;
  const made: Rendered = { parts: [], frames: 0, peak: 0 };
  for (let frame = range.from; frame < range.to;) {
    const number = Math.floor(frame / chunkFrames);
    const offset = frame - number * chunkFrames;
    const context = new OfflineAudioContext(CHANNELS, chunkFrames - offset, sampleRate);
    const chunk = await new ChunkCache(context).load(song, number);
    const available = Math.min(...[...chunk.values()].map(({ length }) => length)) - offset;
    const frames = Math.min(range.to - frame, available);
    if (frames <= 0) break;

    const graph = new MixGraph(context, stems, scale);
    graph.apply(mix, master, false);
    graph.output.connect(context.destination);
    for (const [name, buffer] of chunk) {
      const source = new AudioBufferSourceNode(context, { buffer });
      source.connect(graph.input(name));
      source.start(0, offset / sampleRate);
    }
    const audio = await context.startRendering();
    const { bytes, peak } = encode(audio, frames);
    // A Blob leaves the memory of the page.
    made.parts.push(new Blob([bytes]));
    made.frames += frames;
    made.peak = Math.max(made.peak, peak);
    frame += frames;
    onProgress((frame - range.from) / (range.to - range.from));
  }
  return made;
}

function encode(audio: AudioBuffer, frames: number): { bytes: ArrayBuffer; peak: number } {
  const view = new DataView(new ArrayBuffer(frames * CHANNELS * BYTES_PER_SAMPLE));
  let peak = 0;
  for (let channel = 0; channel < CHANNELS; channel++) {
    const samples = audio.getChannelData(channel);
    for (let i = 0; i < frames; i++) {
      const sample = samples[i] ?? 0;
      peak = Math.max(peak, Math.abs(sample));
      const value = Math.round(Math.max(-1, Math.min(1, sample)) * 0x7fffff);
      const at = (i * CHANNELS + channel) * BYTES_PER_SAMPLE;
      view.setUint16(at, value & 0xffff, true);
      view.setInt8(at + 2, value >> 16);
    }
  }
  return { bytes: view.buffer, peak };
}

function wavHeader(frames: number, sampleRate: number): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(HEADER_BYTES));
  const text = (at: number, word: string) => {
    for (let i = 0; i < word.length; i++) view.setUint8(at + i, word.charCodeAt(i));
  };
  const dataBytes = frames * CHANNELS * BYTES_PER_SAMPLE;
  text(0, 'RIFF');
  view.setUint32(4, HEADER_BYTES - 8 + dataBytes, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, CHANNELS, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, sampleRate * CHANNELS * BYTES_PER_SAMPLE, true);
  view.setUint16(32, CHANNELS * BYTES_PER_SAMPLE, true);
  view.setUint16(34, BYTES_PER_SAMPLE * 8, true);
  text(36, 'data');
  view.setUint32(40, dataBytes, true);
  return view.buffer;
}
