import { Agent, get, request } from 'node:http';

/** A browser keeps its connections, and so does each client here. */
export function createClient({ base }) {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const times = [];

  function call(method, path, body, headers = {}) {
    const started = performance.now();
    return new Promise((resolve, reject) => {
      const sent = request(`${base}${path}`, { method, agent, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode,
            body: text === '' ? undefined : JSON.parse(text),
            milliseconds: performance.now() - started,
          }),
        );
        response.on('error', reject);
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  return {
    /** Milliseconds that each call for a job's state took. */
    times,
    async submit(song, fields) {
      const boundary = '----oxboard-load';
      const part = (disposition, content) =>
        Buffer.concat([
          Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n`),
          Buffer.from(content),
          Buffer.from('\r\n'),
        ]);
      const body = Buffer.concat([
        ...Object.entries(fields).map(([name, value]) => part(`name="${name}"`, value)),
        part('name="file"; filename="song.wav"', song),
        Buffer.from(`--${boundary}--\r\n`),
      ]);
      const answer = await call('POST', '/stemify', body, {
        'content-type': `multipart/form-data; boundary=${boundary}`,
        'content-length': body.length,
      });
      if (answer.status !== 202) throw new Error(JSON.stringify(answer.body));
      return answer.body.job_id;
    },
    async state(id) {
      const { status, body, milliseconds } = await call('GET', `/jobs/${id}`);
      if (status !== 200) throw new Error(JSON.stringify(body));
      times.push(milliseconds);
      return body;
    },
    cancel: (id) => call('DELETE', `/jobs/${id}`),
    close: () => agent.destroy(),
  };
}

/** Listens to a job's events. Resolves with what it got once the stream has ended. */
export function listen({ base }, id, onOpen) {
  return new Promise((resolve, reject) => {
    let text = '';
    get(`${base}/jobs/${id}/events`, { agent: false }, (response) => {
      let open = false;
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
        if (!open) onOpen();
        open = true;
      });
      response.on('end', () => resolve(text));
      response.on('error', reject);
    }).on('error', reject);
  });
}
