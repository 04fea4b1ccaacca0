/**
 * Samples of a job's stems, as the service has them in chunks.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { readAudio } from '../support/audio.js';
import { ask, OWN_CONNECTION, type TestService } from '../support/service.js';

interface Playback {
  scale: number;
  chunks_ready: number;
  generation: number;
  stems: Record<string, { chunk_url: string }>;
}

export const playbackOf = async (service: TestService, id: string): Promise<Playback> =>
  (await ask<{ playback: Playback }>(service, `/jobs/${id}`)).body.playback;

/** The left channel of a stem in the first `chunks` chunks, at the level that it has in the song. */
export async function stemSamples(
  service: TestService,
  { id, stem, chunks, folder }: { id: string; stem: string; chunks: number; folder: string },
): Promise<Float32Array> {
  const { scale, stems } = await playbackOf(service, id);
  const parts: number[] = [];
  for (let chunk = 0; chunk < chunks; chunk++) {
    const url = stems[stem]!.chunk_url.replace('{n}', String(chunk));
    const file = path.join(folder, `${stem}-${String(chunk)}.flac`);
    writeFileSync(
      file,
      Buffer.from(
        await (await fetch(new URL(url, service.url), { headers: OWN_CONNECTION })).arrayBuffer(),
      ),
    );
    for (const sample of readAudio(file)[0]!) parts.push(sample / scale);
  }
  return Float32Array.from(parts);
}

export const sum = (...stems: Float32Array[]): Float32Array =>
  stems[0]!.map((_, i) => stems.reduce((total, samples) => total + samples[i]!, 0));
