/**
 * A separator without a network: each stem is a known share of the song.
 */
import type { AudioSource } from '../../src/engine/audio-source.js';
import type { StemSeparator } from '../../src/separation/stem-spools.js';

export const SHARES: Record<string, number> = { drums: 0.1, bass: 0.2, other: 0.3, vocals: 0.4 };

export interface FakeSeparator extends StemSeparator {
  /** What each stream was asked for. */
  readonly asked: (readonly string[])[];
}

/** @param beforeBlock runs before each block, to fail or to wait. */
export function fakeSeparator(
  beforeBlock: (offset: number) => void | Promise<void> = () => undefined,
  shares = SHARES,
): FakeSeparator {
  const asked: (readonly string[])[] = [];
  return {
    asked,
    model: {
      name: 'fake',
      sources: Object.keys(shares),
      sampleRate: 44_100,
      channels: 2,
      segment: 343_980,
    },
    stream(
      source: AudioSource,
      { stems: names = [], resumeFrom = 0, end = Infinity, signal, onProgress },
    ) {
      asked.push(names);
      return {
        manifest: { device: 'none' },
        async *[Symbol.asyncIterator]() {
          let offset = 0;
          for await (const block of source.blocks(signal)) {
            signal?.throwIfAborted();
            const skipped = Math.max(resumeFrom - offset, 0);
            offset += Math.min(skipped, block[0]?.length ?? 0);
            const left = Math.round(Number(end) * 44_100) - offset;
            const song = block.map((channel) => channel.subarray(skipped, skipped + left));
            if (song[0]?.length === 0) continue;
            await beforeBlock(offset);
            const frames = song[0]?.length ?? 0;
            const stems = Object.fromEntries(
              names.map((name) => [name, song.map((c) => c.map((x) => x * (shares[name] ?? 0)))]),
            );
            yield { offset, frames, stems };
            offset += frames;
            onProgress?.({
              fraction: 0.5,
              segmentsDone: 1,
              segmentsTotal: 2,
              framesDone: offset,
              framesTotal: offset,
              batch: { member: 0, segments: 1, seconds: 0.001 },
            });
          }
        },
      };
    },
  };
}
