/**
 * Starts the tracer of a process as its environment says, and prints which packages of OpenTelemetry are
 * loaded then.
 */
import { createRequire } from 'node:module';
import '../../../src/bin/service/api-process.js';
import { startTracer } from '../../../src/bin/service/start-role.js';
import '../../../src/bin/service/worker-process.js';
import { readServiceConfig } from '../../../src/config.js';
import { createLogger } from '../../../src/observability/logger.js';

const config = readServiceConfig(process.env);
await startTracer('api', config, createLogger(config));
const files = Object.keys(createRequire(import.meta.url).cache);
const packages = files.flatMap((file) => /@opentelemetry\/[^/]+/.exec(file) ?? []);
console.log(JSON.stringify([...new Set(packages)]));
process.exit();
