/**
 * A worker in a process of its own: settings as JSON in the first argument. The second one names the
 * writes to its storage that wait for SIGTERM: `all`, or those `after-checkpoint` or `after-chunk`. It
 * ends by SIGTERM, after what it runs.
 */
import { openStorage } from '../../src/storage/open.js';
import { holdWrites } from '../support/held-storage.js';
import { CHECKPOINT, composeWorker, FIRST_CHUNK, type WorkerSettings } from '../support/worker.js';

const [, , json = '', held = 'after-checkpoint'] = process.argv;
const settings = JSON.parse(json) as WorkerSettings;
const { dataDir, place = { storageUrl: undefined } } = settings;
const { storage, release } = holdWrites(
  await openStorage({ ...place, dataDir }),
  { all: undefined, 'after-checkpoint': CHECKPOINT, 'after-chunk': FIRST_CHUNK }[held],
);
const running = await composeWorker({ ...settings, storage });
process.on('SIGTERM', () => {
  void running.stop(60_000);
  release();
});
console.log('working');
