/**
 * Examples of documents in the OpenAPI document.
 */
import type { JobDocument, JobMessage, JobSummary } from './job-document.js';

const JOB_ID = '0b0c6f3e-6a3f-4c57-9a34-5d0c8f4c2a17';
const JOB_URL = `/api/v1/jobs/${JOB_ID}`;

const stemExample = (name: string, sizeBytes: number, sha256: string) => ({
  url: `${JOB_URL}/stems/${name}`,
  format: 'mp3' as const,
  size_bytes: sizeBytes,
  duration_seconds: 182.4,
  sample_rate: 44_100,
  channels: 2,
  sha256,
});

const playableExample = (name: string, gain: number) => ({
  chunk_url: `${JOB_URL}/stems/${name}/chunks/{n}?generation=1`,
  peaks_url: `${JOB_URL}/stems/${name}/peaks`,
  gain,
});

export const completedJob: JobDocument = {
  job_id: JOB_ID,
  name: 'song.mp3',
  status: 'completed',
  stage: 'done',
  progress: 100,
  error: null,
  error_code: null,
  created_at: '2026-01-15T12:00:00.000Z',
  updated_at: '2026-01-15T12:01:34.250Z',
  started_at: '2026-01-15T12:00:00.310Z',
  finished_at: '2026-01-15T12:01:34.250Z',
  attempts: 1,
  estimated_duration: 96,
  client_reference: 'order-66',
  youtube_url: null,
  source_url: null,
  duration_seconds: 182.4,
  model: 'htdemucs',
  options: {
    output_format: 'mp3',
    bit_depth: '16',
    bitrate: null,
    sample_rate: 'model',
    stems: null,
    two_stems: 'vocals',
    other_method: 'add',
    clip_mode: 'rescale',
    mix: null,
    mixture_consistent: false,
    start: null,
    end: null,
    track: null,
    allow_damaged: false,
    shifts: 0,
    overlap: 0.25,
    segment: null,
    seed: 3_735_928_559,
  },
  events_url: `${JOB_URL}/events`,
  ws_url: `${JOB_URL}/ws`,
  result: {
    stems: {
      vocals: stemExample(
        'vocals',
        7_297_088,
        '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      ),
      no_vocals: stemExample(
        'no_vocals',
        7_297_088,
        '60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752',
      ),
    },
    zip_url: `${JOB_URL}/stems.zip`,
    metadata: {
      original_filename: 'song.mp3',
      duration: 182.4,
      format: 'mp3',
      model: 'htdemucs',
    },
    processing_time: 93.9,
    realtime_factor: 1.94,
    cached: false,
    null_test_db: -61.2,
    track: null,
    manifest: { model: 'htdemucs', device: 'cpu', threads: 2, seed: 3_735_928_559 },
  },
  warnings: [],
  webhook: null,
  queue_position: null,
  eta_seconds: null,
  playback: {
    sample_rate: 44_100,
    chunk_frames: 441_000,
    scale: 0.25,
    chunks_ready: 19,
    chunks_total: 19,
    generation: 1,
    stems: {
      vocals: playableExample('vocals', 0.93),
      no_vocals: playableExample('no_vocals', 1),
      mixture: playableExample('mixture', 1),
    },
  },
};

/** The same job in a list. */
export const summaryOf = ({ playback: _, result, ...job }: JobDocument): JobSummary => {
  if (!result) return { ...job, result };
  const { manifest: __, ...summary } = result;
  return { ...job, result: summary };
};

export const jobProgress: JobMessage = {
  id: '1768478431200-0',
  event: 'progress',
  job_id: JOB_ID,
  status: 'processing',
  stage: 'separating',
  progress: 41.5,
  error: null,
  error_code: null,
  chunks_ready: 6,
  queue_position: null,
  eta_seconds: null,
  warnings: [],
  timestamp: '2026-01-15T12:00:31.200Z',
};

export const jobCompleted: JobMessage = {
  id: '1768478494250-0',
  event: 'completed',
  job_id: JOB_ID,
  status: 'completed',
  stage: 'done',
  progress: 100,
  error: null,
  error_code: null,
  chunks_ready: 19,
  queue_position: null,
  eta_seconds: null,
  warnings: [],
  timestamp: '2026-01-15T12:01:34.250Z',
};
