import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { emptyFolder, root, stateDir } from '../setup/files.mjs';

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/**
 * Runs `oxboard serve` with data of its own; its log is kept in memory.
 *
 * @param rateLimit jobs of a client in an hour.
 */
export async function startService({ processes, threads, rateLimit = 1_000_000 }) {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const dataDir = emptyFolder(join(stateDir, 'load'));
  const child = spawn(
    process.execPath,
    [join(root, 'dist/bin/cli.js'), 'serve', '--processes', String(processes)],
    {
      cwd: dataDir,
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        ENVIRONMENT: 'production',
        HOST: '127.0.0.1',
        PORT: String(port),
        OBSERVABILITY_PROMETHEUS_PORT: String(metricsPort),
        DATA_DIR: join(dataDir, 'data'),
        DEMUCS_MODELS_PATH: join(root, 'test/fixtures/models'),
        DEMUCS_DEFAULT_MODEL: 'oxboard-mini',
        DEMUCS_DEVICE: 'cpu',
        DEMUCS_THREADS: String(threads),
        API_RATE_LIMIT: String(rateLimit),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const lines = [];
  const ready = new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const entry = JSON.parse(line);
      // Requests are counted by whoever sends them.
      if (entry.event !== 'http_request') lines.push(entry);
      if (entry.event === 'service_ready') resolve();
    });
    child.once('close', (status) => reject(new Error(`oxboard serve ended with ${status}`)));
  });
  await ready;
  return {
    port,
    base: `http://127.0.0.1:${port}/api/v1`,
    metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
    lines,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const closed = once(child, 'close');
        child.kill('SIGTERM');
        await closed;
      }
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Bytes of memory that each kind of process has, by its metrics. */
export async function memory({ metricsUrl }) {
  const text = await (await fetch(metricsUrl)).text();
  return Object.fromEntries(
    [...text.matchAll(/^process_resident_memory_bytes\{process="(\w+)"\} (\d+)$/gm)].map(
      ([, name, bytes]) => [name, Number(bytes)],
    ),
  );
}
