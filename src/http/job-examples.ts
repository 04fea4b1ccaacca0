/**
 * Examples of documents in the OpenAPI document.
 */
import type { JobDocument, JobMessage } from './job-document.js';

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

export const completedJob: JobDocument = {
  job_id: JOB_ID,
  status: 'completed',
  stage: 'done',
  progress: 100,
  error: null,
  created_at: '2026-01-15T12:00:00.000Z',
  updated_at: '2026-01-15T12:01:34.250Z',
  started_at: '2026-01-15T12:00:00.310Z',
  finished_at: '2026-01-15T12:01:34.250Z',
  attempts: 1,
  estimated_duration: 96,
  file_name: 'song.mp3',
  youtube_url: null,
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
    processing_time: 93.9,
    realtime_factor: 1.94,
    cached: false,
    null_test_db: -61.2,
    manifest: { model: 'htdemucs', device: 'cpu', threads: 2, seed: 3_735_928_559 },
  },
  webhook: null,
};

export const jobProgress: JobMessage = {
  id: '1768478431200-0',
  event: 'progress',
  job_id: JOB_ID,
  status: 'processing',
  stage: 'separating',
  progress: 41.5,
  error: null,
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
  timestamp: '2026-01-15T12:01:34.250Z',
};
