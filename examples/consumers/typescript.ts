// TypeScript, strictly checked: tsc && node build/typescript.js
import { OxboardError, Separator, type AudioSource, type Progress } from 'oxboard-demucs';

const sampleRate = 44_100;
const tone = Float32Array.from({ length: sampleRate }, (_, i) => Math.sin(i * 0.06) / 2);

const source: AudioSource = {
  sampleRate,
  channelCount: 2,
  async *blocks(signal?: AbortSignal) {
    signal?.throwIfAborted();
    yield await Promise.resolve([tone, tone]);
  },
};

let last: Progress | undefined;
try {
  const separator = await Separator.load(undefined, { device: 'auto' });
  const stream = separator.stream(source, {
    stems: ['vocals'],
    onProgress: (progress) => {
      last = progress;
    },
  });
  let frames = 0;
  for await (const block of stream) frames += block.stems.vocals[0]?.length ?? 0;
  await separator.dispose();
  console.log(stream.manifest?.model.name, 'vocals', frames, last?.fraction);
} catch (error) {
  if (!(error instanceof OxboardError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
