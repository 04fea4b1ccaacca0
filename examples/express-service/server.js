/**
 * Stem separation inside an Express service: in its own process, beside its other requests.
 *
 *     node server.js
 *     curl --data-binary @song.mp3 'http://localhost:3000/separate?stem=vocals' -o vocals.wav
 *     curl http://localhost:3000/status
 */
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import express from 'express';
import { OxboardError, Separator } from 'oxboard-demucs';
import { decode, UndecodableError } from './decode.js';
import { interleave, wavHeader } from './wav.js';

const UPLOAD_LIMIT = '50mb';
const { PORT = '3000', HOST = '127.0.0.1', MODEL } = process.env;
const modelsDir = process.env.DEMUCS_MODELS_PATH;

// One separator serves every request: those that come while it works wait for their turn.
const separator = await Separator.load(MODEL, modelsDir ? { modelsDir } : {});
const { sources, sampleRate, channels } = separator.model;

const RESOLUTION_MS = 5;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
let running = 0;

/** How long the event loop was held up since the last call, in milliseconds. */
function eventLoopDelay() {
  // What Node.js measures includes the time that it waits on purpose.
  const late = (nanoseconds) => Math.max(0, Math.round(nanoseconds / 1e4) / 100 - RESOLUTION_MS);
  const { mean, max } = delay;
  delay.reset();
  return { mean: late(mean) || 0, max: late(max) };
}

const app = express();

app.get('/status', (_request, response) => {
  response.json({ model: separator.model.name, running, eventLoopDelay: eventLoopDelay() });
});

app.post(
  '/separate',
  express.raw({ type: () => true, limit: UPLOAD_LIMIT }),
  async (request, response) => {
    const { stem = 'vocals' } = request.query;
    if (!sources.includes(stem)) {
      response.status(400).json({ error: `stem is one of ${sources.join(', ')}` });
      return;
    }
    // A client that goes away ends the work within a segment.
    const controller = new AbortController();
    const { signal } = controller;
    response.on('close', () => controller.abort(new Error('the client went away')));

    running += 1;
    try {
      const source = await decode(request.body, { sampleRate, channels, signal });
      response.set('Content-Type', 'audio/wav');
      response.write(wavHeader({ sampleRate, channels, frames: source.frames }));
      for await (const { stems } of separator.stream(source, { stems: [stem], signal })) {
        if (!response.write(interleave(stems[stem]))) await once(response, 'drain', { signal });
      }
      response.end();
    } finally {
      running -= 1;
    }
  },
);

// Express 5 brings rejections of async handlers here; four arguments tell it what this is.
app.use((error, _request, response, _next) => {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const status = statusOf(error);
  response.status(status).json({
    error: status === 500 ? 'something went wrong' : error.message,
    ...(error instanceof OxboardError && { code: error.code }),
  });
});

function statusOf(error) {
  if (error instanceof UndecodableError) return 422;
  if (error instanceof OxboardError) {
    if (error.code === 'INVALID_OPTION' || error.code.startsWith('INPUT_')) return 422;
    if (error.code === 'OUT_OF_MEMORY') return 503;
  }
  return error.status ?? 500;
}

const server = app.listen(Number(PORT), HOST, (error) => {
  if (error) throw error;
  console.log(`http://${HOST}:${server.address().port} separates with ${separator.model.name}`);
});

const watch = setInterval(() => {
  if (running === 0) return;
  const { mean, max } = eventLoopDelay();
  console.log(`${running} running; event loop delay: mean ${mean} ms, max ${max} ms`);
}, 5000);

process.once('SIGTERM', async () => {
  clearInterval(watch);
  server.close();
  server.closeAllConnections();
  await separator.dispose();
});
