/**
 * The published models: which repositories and files they consist of, and how their networks make a
 * bag.
 *
 * Where this was read:
 * - Repositories, file names and bags: demucs 4.1.0 (hf.py, remote/*.yaml). Its own loader takes the
 *   same files from the branch `main`.
 * - SHA-256 and sizes of htdemucs, htdemucs_ft and htdemucs_6s: from public projects that pin these
 *   files, each checksum from at least three that agree; the sizes fit the networks' parameters in
 *   fp16. They were not read from the host itself (docs/models.md).
 * - The other files: no public value was found. They are checked against what the host announces,
 *   else against what the first pull recorded.
 * - Parameters: counted with the classes of demucs 4.1.0.
 */
import { OxboardError } from '../errors.js';
import { nearestName } from '../options.js';

export const HUB = 'https://huggingface.co';

/** A published file and what is known of it. */
export interface PublishedFile {
  /** Name within its repository. */
  file: string;
  /** Bytes, where known. */
  size?: number;
  sha256?: string;
}

export interface PublishedMember {
  /** demucs' name of the network; also the name of its file in our archive. */
  signature: string;
  weightsFile: PublishedFile;
  /** One per source. */
  weights: readonly number[];
}

export interface PublishedModel {
  name: string;
  /** Owner and name on Hugging Face. */
  repository: string;
  /** As the repository declares it. */
  license: string;
  sources: readonly string[];
  members: readonly PublishedMember[];
  /** Seconds; overrides what the networks say of themselves. */
  segmentSeconds?: number;
  /** Parameters of one network. */
  parameters: number;
}

const FOUR = ['drums', 'bass', 'other', 'vocals'] as const;
const SIX = [...FOUR, 'guitar', 'piano'] as const;

const HTDEMUCS = 41_984_456;
const HTDEMUCS_6S = 27_414_996;
const HDEMUCS = 83_637_832;

const published = (signature: string, size?: number, sha256?: string) => ({
  signature,
  weightsFile: {
    file: `${signature}.safetensors`,
    ...(size !== undefined && { size }),
    ...(sha256 !== undefined && { sha256 }),
  },
});

const all = (sources: readonly string[]): number[] => sources.map(() => 1);
const only = (source: string): number[] => FOUR.map((name) => (name === source ? 1 : 0));

const MODELS: readonly PublishedModel[] = [
  {
    name: 'htdemucs',
    repository: 'adefossez/HTDemucs',
    license: 'MIT',
    sources: FOUR,
    parameters: HTDEMUCS,
    members: [
      {
        ...published(
          '955717e8',
          84_025_440,
          'd9fa14133cfcc034a6758923bb3a8ca9f8dfd0b582134643bbf83f72c17576dd',
        ),
        weights: all(FOUR),
      },
    ],
  },
  {
    name: 'htdemucs_ft',
    repository: 'adefossez/HTDemucs-ft',
    license: 'MIT',
    sources: FOUR,
    parameters: HTDEMUCS,
    members: [
      {
        ...published(
          'f7e0c4bc',
          84_025_440,
          '2c85ab3c62dd6edd8e0b965e38b16fd1cdde357cc25de6b6bc9ce7c83f60925f',
        ),
        weights: only('drums'),
      },
      {
        ...published(
          'd12395a8',
          84_025_440,
          '5b01a97567ae9a3178a6236fb520251045c03eb8834bc8c24a4eec11d6c8fb56',
        ),
        weights: only('bass'),
      },
      {
        ...published(
          '92cfc3b6',
          84_025_440,
          'a241863551f30d01c42bd7b97da40839922ead3acb0f1fcab25682f55b4eeb59',
        ),
        weights: only('other'),
      },
      {
        ...published(
          '04573f0d',
          84_025_440,
          '68854b0d7c2b3274723b5761f6fd9f5aec5f1bcd3f0de7c1669546fdb7871b7c',
        ),
        weights: only('vocals'),
      },
    ],
  },
  {
    name: 'htdemucs_6s',
    repository: 'adefossez/HTDemucs-6s',
    license: 'MIT',
    sources: SIX,
    parameters: HTDEMUCS_6S,
    members: [
      {
        ...published(
          '5c90dfd2',
          54_885_744,
          'd2a1745f0744721f6b8ca5bf469b67c651ea5ed1b52998cab033b2158609d411',
        ),
        weights: all(SIX),
      },
    ],
  },
  {
    name: 'hdemucs_mmi',
    repository: 'adefossez/Demucs-hdemucs_mmi',
    license: 'MIT',
    sources: FOUR,
    parameters: HDEMUCS,
    segmentSeconds: 44,
    members: [{ ...published('75fc33f5'), weights: all(FOUR) }],
  },
  {
    name: 'mdx_extra',
    repository: 'adefossez/Demucs-mdx_extra',
    license: 'MIT',
    sources: FOUR,
    parameters: HDEMUCS,
    segmentSeconds: 44,
    members: ['e51eebcc', 'a1d90b5c', '5d2d6c55', 'cfa93e08'].map((signature) => ({
      ...published(signature),
      weights: all(FOUR),
    })),
  },
  {
    name: 'mdx_extra_q',
    repository: 'adefossez/Demucs-mdx_extra_q',
    license: 'MIT',
    sources: FOUR,
    parameters: HDEMUCS,
    segmentSeconds: 44,
    members: ['83fc094f', '464b36d7', '14fc6a69', '7fd6ef75'].map((signature) => ({
      ...published(signature),
      weights: all(FOUR),
    })),
  },
];

/** Bytes of a float32 and of a published float16 parameter. */
const STORED = 4;
const PUBLISHED = 2;
/** Graph and tables beside the parameters of one archived network. */
const ARCHIVE_OVERHEAD = 4e6;

export const publishedModels = (): readonly PublishedModel[] => MODELS;

/** Bytes of the finished archive, to within a few percent. */
export const archiveSize = ({ members, parameters }: PublishedModel): number =>
  members.length * (parameters * STORED + ARCHIVE_OVERHEAD);

/** Bytes of a published file; where unknown, of its parameters in fp16, which DiffQ undercuts. */
export const fileSize = ({ parameters }: PublishedModel, { size }: PublishedFile): number =>
  size ?? parameters * PUBLISHED;

/** @throws OxboardError MODEL_UNKNOWN naming what there is. */
export function findPublished(name: string): PublishedModel {
  const found = MODELS.find((model) => model.name === name);
  if (found) return found;
  const names = MODELS.map((model) => model.name);
  const near = nearestName(name, names);
  throw new OxboardError(
    'MODEL_UNKNOWN',
    `There is no published model "${name.slice(0, 100)}"` +
      (near ? `; did you mean ${near}?` : '.') +
      ` Models that can be pulled: ${names.join(', ')}`,
  );
}
