/**
 * A worker in a process of its own: settings as JSON in the first argument. It ends by SIGTERM, after
 * what it runs.
 */
import { composeWorker, type WorkerSettings } from '../support/worker.js';

const running = await composeWorker(JSON.parse(process.argv[2] ?? '') as WorkerSettings);
process.on('SIGTERM', () => void running.stop(60_000));
console.log('working');
