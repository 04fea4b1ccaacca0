/**
 * `oxboard models list --available`: what to know before choosing a model.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { resolveRuntime } from '../../engine/runtime.js';
import { Separator } from '../../engine/separator.js';
import { count, formatBytes } from '../../lib/format.js';
import { randomNumbers } from '../../lib/random.js';
import { workSeconds } from '../../model-options.js';
import { modelHash, type InstalledModel } from '../../models/archive.js';
import { listModels, type LibraryOptions } from '../../models/library.js';
import { UNKNOWN_LICENSE } from '../../models/license.js';
import { licenseText } from '../../models/license-text.js';
import type { LoadOptions } from '../../options.js';
import { archiveSize, fileSize, publishedModels } from '../../pull/catalogue.js';
import { Speeds } from '../../worker/speeds.js';
import { describeFailure, say } from '../report.js';
import { tableRows } from '../table.js';

/** Seconds of noise that a speed is measured on. */
const SONG_SECONDS = 12;

type Options = LibraryOptions & Pick<LoadOptions, 'device' | 'threads'>;

interface Facts {
  name: string;
  stems: readonly string[];
  quality: string;
  memory: string;
  size: string;
  license: string;
}

/** Prints the published models and those that are installed, with the speed of the latter. */
export async function listAvailable(options: Options): Promise<void> {
  const installed = await listModels(options);
  const published = publishedModels();
  const others = installed.filter(({ name }) => published.every((model) => model.name !== name));
  const all = [
    ...published.map((model): Facts => {
      const files = model.members.map(({ weightsFile }) => fileSize(model, weightsFile));
      const download = files.reduce((sum, bytes) => sum + bytes, 0);
      return {
        name: model.name,
        stems: model.sources,
        quality: `SDR ${model.quality}`,
        memory: `about ${formatBytes(model.memoryBytes)}`,
        size: `${formatBytes(download)} to download, ${formatBytes(archiveSize(model))} installed`,
        license: licenseText(model.license),
      };
    }),
    ...others.map(({ name, description, sizeBytes }): Facts => ({
      name,
      stems: description.sources,
      quality: description.notice ?? 'unknown',
      memory: 'unknown',
      size: `${formatBytes(sizeBytes)} installed`,
      license: licenseText(description.license ?? UNKNOWN_LICENSE),
    })),
  ];
  for (const facts of all) {
    const model = installed.find(({ name }) => name === facts.name);
    const speed = model ? await speedOf(model, options) : 'measured once it is installed';
    const lines = tableRows(
      [
        ['  stems', facts.stems.join(', ')],
        ['  quality', facts.quality],
        ['  speed', speed],
        ['  memory', facts.memory],
        ['  size', facts.size],
        ['  license', facts.license],
      ],
      1,
    );
    const title = `${facts.name}${model ? ' (installed)' : ''}`;
    process.stdout.write(`${[title, ...lines].join('\n')}\n`);
  }
}

async function speedOf(model: InstalledModel, options: Options): Promise<string> {
  try {
    const { device, threads, signature } = resolveRuntime(options);
    const cache = process.env.XDG_CACHE_HOME ?? '';
    const folder = join(cache === '' ? join(homedir(), '.cache') : cache, 'oxboard');
    const speeds = new Speeds(folder, signature);
    const hash = modelHash(model);
    if ((await speeds.of(hash)) === null) {
      say(`Measuring the speed of ${model.name}, once`);
      await speeds.add(hash, await measure(model, options));
    }
    const factor = (await speeds.of(hash)) ?? NaN;
    return `${factor.toFixed(1)} x real time here (${device}, ${count(threads, 'thread')})`;
  } catch (error) {
    return `not measured: ${describeFailure(error).message}`;
  }
}

/** The work of a short song, and the seconds that it takes. */
async function measure({ name, description }: InstalledModel, options: Options) {
  await using separator = await Separator.load(name, options);
  const { sampleRate, channels: count } = description;
  const random = randomNumbers(1);
  const channels = Array.from({ length: count }, () =>
    Float32Array.from({ length: SONG_SECONDS * sampleRate }, () => random() - 0.5),
  );
  const began = performance.now();
  await separator.separate({ sampleRate, channels });
  const seconds = (performance.now() - began) / 1000;
  return { work: workSeconds({ shifts: 0 }, description, SONG_SECONDS), seconds };
}
