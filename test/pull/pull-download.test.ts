/** One file over an unreliable network. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { openHttp } from '../../src/pull/http.js';
import { download, type DownloadRequest } from '../../src/pull/download.js';
import { temporaryFolder } from '../support/audio.js';
import {
  answer,
  breakAfter,
  lieAboutLength,
  replace,
  serveFiles,
  stallAfter,
  type Fault,
  type FileServer,
} from '../support/file-server.js';
import { startProxy } from '../support/proxy.js';
import { randomNumbers } from '../support/random.js';
import { smallDisk, unmountSmallDisks } from '../support/small-disk.js';

const FILE = '/weights.safetensors';
const bytes = (length: number, seed = 1): Buffer => {
  const random = randomNumbers(seed);
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
};
const sha256 = (body: Buffer): string => createHash('sha256').update(body).digest('hex');
const body = bytes(300_000);
const known = { size: body.length, sha256: sha256(body) };

// Before the folder's own end.
after(unmountSmallDisks);
const disks = temporaryFolder({ after });

interface Run {
  server: FileServer;
  file: string;
  notices: string[];
  /** Downloads once more, into the same folder. */
  again: (more?: Partial<DownloadRequest>) => ReturnType<typeof download>;
}

/** A server with faults, and a download from it. */
async function start(
  context: TestContext,
  faults: Fault[],
  options: Partial<DownloadRequest> & { without?: ('etag' | 'ranges' | 'length')[] } = {},
): Promise<Run> {
  const { without = [], ...request } = options;
  const server = await serveFiles(context, { [FILE]: body }, faults);
  without.forEach((what) => server.without.add(what));
  const folder = temporaryFolder(context);
  const file = path.join(folder, 'weights.safetensors');
  const notices: string[] = [];
  const again = async (more: Partial<DownloadRequest> = {}) => {
    const http = await openHttp({ connectMs: 1000, stallMs: 300 });
    try {
      return await download(http, {
        url: new URL(FILE, server.url),
        tokenAdvice: 'Pass --token',
        file,
        place: { name: folder, advice: 'Free some space' },
        signal: new AbortController().signal,
        retry: {
          attempts: 4,
          firstDelayMs: 1,
          maxDelayMs: 5,
          maxRetryAfterMs: 3000,
          progressBytes: 1000,
        },
        onProgress: () => undefined,
        onNotice: (notice) => notices.push(notice),
        ...request,
        ...more,
      });
    } finally {
      await http.close();
    }
  };
  return { server, file, notices, again };
}

const ranges = ({ server }: Run): string[] => server.requests.map(({ range }) => range);

function assertWhole({ file }: Run, expected = body): void {
  assert.deepEqual(readFileSync(file), expected);
  assert.ok(!existsSync(`${file}.partial`));
  assert.ok(!existsSync(`${file}.partial.json`));
}

describe('a download', () => {
  it('goes on where the connection broke, at any byte', async (context) => {
    const run = await start(context, [0, 1, 70_000, 128_000].map(breakAfter));
    const result = await run.again();
    assert.deepEqual(result, { ...known, announced: false });
    assertWhole(run);
    const [first, second, ...later] = run.server.requests;
    assert.equal(first?.range, '');
    // A connection may be cut before its last bytes are seen.
    assert.match(second?.range ?? '', /^(bytes=\d+-)?$/);
    const offsets = later.map(({ range }) => Number(/\d+/.exec(range)?.[0] ?? 0));
    assert.deepEqual(
      offsets,
      [...offsets].sort((a, b) => a - b),
    );
    assert.ok(later.every(({ range, ifRange }) => range === '' || ifRange.startsWith('"')));
    assert.match(run.notices.join('\n'), /the connection broke; trying again in 1 s/);
  });

  it('takes what comes faster than it can be written, from a server that hangs up', async (context) => {
    const big = Buffer.alloc(50_000_000, body);
    const hangUp: Fault = (_request, response) => {
      response.setHeader('connection', 'close');
      return false;
    };
    const run = await start(context, [hangUp, hangUp], { sha256: sha256(big) });
    run.server.files[FILE] = big;
    const slowly = () => {
      const until = performance.now() + 1;
      while (performance.now() < until);
    };
    await run.again({ onProgress: slowly });
    assert.equal(statSync(run.file).size, big.length);
  });

  it('goes on in a later process, and is not fetched twice', async (context) => {
    const run = await start(context, [breakAfter(100_000)]);
    const stop = new AbortController();
    const reason = new Error('stopped by the user');
    const onNotice = () => stop.abort(reason);
    await assert.rejects(run.again({ signal: stop.signal, onNotice }), reason);
    assert.ok(existsSync(`${run.file}.partial`));
    await run.again();
    assertWhole(run);
    assert.match(ranges(run)[1] ?? '', /^bytes=[1-9]\d*-$/);
    await run.again();
    assert.equal(run.server.requests.length, 2);
  });

  it('starts again where the server ignores Range', async (context) => {
    const run = await start(context, [breakAfter(100_000)], { without: ['ranges'] });
    await run.again();
    assertWhole(run);
    assert.match(run.notices.join('\n'), /does not resume this file: starting again/);
  });

  it('never joins halves of two versions', async (context) => {
    const other = bytes(body.length, 2);
    const fresh = { size: other.length, sha256: sha256(other) };
    const swap: Fault[] = [breakAfter(100_000), replace(FILE, other)];

    const tagged = await start(context, [...swap]);
    assert.equal((await tagged.again()).sha256, fresh.sha256);

    // Without an ETag only the checksum can tell.
    const checked = await start(context, [...swap], { ...fresh, without: ['etag'] });
    assert.equal((await checked.again()).sha256, fresh.sha256);
    assert.match(checked.notices.join('\n'), /has changed since it was begun: starting again/);

    // With neither, nothing is resumed.
    const blind = await start(context, [...swap], { without: ['etag'] });
    assert.equal((await blind.again()).sha256, fresh.sha256);
    assert.deepEqual(ranges(blind), ['', '']);
  });

  it('is refused when it is not the file that was published', async (context) => {
    const wrong = { code: 'DOWNLOAD_CORRUPT' };
    const cases: [Fault[], Partial<DownloadRequest>, RegExp][] = [
      [[], { sha256: sha256(bytes(10)) }, /SHA-256 begins with \w{8} instead of \w{8}\. Try again/],
      [[], { size: 299_999 }, /300000 bytes instead of 299999/],
      [[lieAboutLength(1000)], known, /1000 bytes instead of 300000/],
      [[lieAboutLength(400_000)], known, /400000 bytes instead of 300000/],
      [[answer(200, {}, '<html>Sign in to this network</html>')], known, /bytes instead of/],
    ];
    for (const [faults, expected, message] of cases) {
      const run = await start(context, faults, expected);
      await assert.rejects(run.again(), { ...wrong, message });
      assert.ok(!existsSync(run.file));
    }
    // It goes on for longer than it may.
    const endless = await start(context, [], { size: 200_000, without: ['length'] });
    await assert.rejects(endless.again(), { ...wrong, message: /more than 200000 bytes/ });
  });

  it('that is always cut short fails in the end, and says how to go on', async (context) => {
    const run = await start(context, []);
    run.server.faults = Array.from({ length: 20 }, () => lieAboutLength(400_000));
    await assert.rejects(run.again(), {
      code: 'DOWNLOAD_FAILED',
      message: /weights\.safetensors could not be downloaded: .*Run the command again/,
    });
    assert.ok(!existsSync(run.file));
  });

  it('waits as long as a busy server asks, within reason', async (context) => {
    const run = await start(context, [
      answer(429, { 'retry-after': '1' }),
      answer(503),
      answer(500),
    ]);
    await run.again();
    assert.match(run.notices.join('\n'), /429.*trying again in 1 s/);
    assertWhole(run);

    const busy = await start(context, [answer(429, { 'retry-after': '7200' })]);
    await assert.rejects(busy.again(), {
      code: 'DOWNLOAD_FAILED',
      message: /answered 429 and asks to come back in 120 minutes/,
    });

    const broken = await start(
      context,
      Array.from({ length: 4 }, () => answer(500)),
    );
    await assert.rejects(broken.again(), { code: 'DOWNLOAD_FAILED', message: /answered 500/ });
    assert.equal(broken.server.requests.length, 4);
  });

  it('from an unknown host is given up after three attempts', async (context) => {
    const run = await start(context, []);
    const url = new URL('http://no-such-host.invalid/weights.safetensors');
    const retry = {
      attempts: 50,
      firstDelayMs: 1,
      maxDelayMs: 5,
      maxRetryAfterMs: 1,
      progressBytes: 1,
    };
    await assert.rejects(run.again({ url, retry }), {
      code: 'DOWNLOAD_FAILED',
      message: /no-such-host\.invalid: the host (is not known here|cannot be looked up)/,
    });
    assert.equal(run.notices.length, 2);
  });

  it('is not tried again where that cannot help, and names the token', async (context) => {
    for (const [status, token, code, message] of [
      [401, undefined, 'DOWNLOAD_UNAUTHORISED', /wants a token \(401\)\. Pass --token/],
      [403, 'hf_secret', 'DOWNLOAD_UNAUTHORISED', /refuses the token \(403\)/],
      [404, undefined, 'DOWNLOAD_NOT_FOUND', /weights\.safetensors does not exist/],
      [418, undefined, 'DOWNLOAD_FAILED', /answered 418/],
    ] as const) {
      const run = await start(context, [answer(status)], { token });
      const error = await run.again().then(
        () => assert.fail(),
        (thrown: unknown) => thrown as Error & { code: string },
      );
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /hf_secret/);
      assert.equal(run.server.requests.length, 1);
    }
  });

  it('gives up a connection that stalls, and goes on from there', async (context) => {
    const run = await start(context, [stallAfter(50_000), stallAfter(0)]);
    await run.again();
    assertWhole(run);
    assert.match(run.notices.join('\n'), /stalled|no answer in time/);
    assert.match(ranges(run).at(-1) ?? '', /^bytes=[1-9]/);
  });

  it('follows redirects, and takes the token to no other host', async (context) => {
    const storage = await serveFiles(context, { [FILE]: body });
    const away = new URL(`${FILE}?signature=x`, storage.url).href;
    const run = await start(
      context,
      [
        answer(302, { location: `/moved${FILE}` }),
        answer(302, { location: away, 'x-linked-etag': `"${known.sha256}"` }),
      ],
      { token: 'hf_secret' },
    );
    assert.deepEqual(await run.again(), { ...known, announced: true });
    assert.ok(
      run.server.requests.every(({ authorization }) => authorization === 'Bearer hf_secret'),
    );
    assert.deepEqual(
      storage.requests.map(({ authorization }) => authorization),
      [''],
    );
  });

  it('is compared with the checksum that the host names', async (context) => {
    const storage = await serveFiles(context, { [FILE]: body });
    const location = new URL(FILE, storage.url).href;
    const linked = { location, 'x-linked-etag': `"${sha256(bytes(10))}"` };
    const run = await start(context, [answer(302, linked)]);
    await assert.rejects(run.again(), { code: 'DOWNLOAD_CORRUPT' });
  });

  it('gets a fresh address when a storage host says that the old one expired', async (context) => {
    const storage = await serveFiles(context, { [FILE]: body }, [answer(403)]);
    const location = new URL(FILE, storage.url).href;
    const run = await start(context, [answer(302, { location }), answer(302, { location })]);
    await run.again();
    assertWhole(run);
  });

  it('does not follow redirects for ever, nor to anything but the web', async (context) => {
    const round = Array.from({ length: 20 }, () => answer(302, { location: FILE }));
    const loop = await start(context, round);
    await assert.rejects(loop.again(), {
      code: 'DOWNLOAD_FAILED',
      message: /redirects without end/,
    });
    const file = await start(context, [answer(302, { location: 'file:///etc/passwd' })]);
    await assert.rejects(file.again(), { code: 'DOWNLOAD_FAILED', message: /no download may go/ });
  });

  it('survives a damaged note and a partial file that is too long', async (context) => {
    const run = await start(context, [], known);
    writeFileSync(`${run.file}.partial`, Buffer.alloc(400_000));
    writeFileSync(`${run.file}.partial.json`, '{"url": 1}');
    await run.again();
    assertWhole(run);
  });

  it('onto a full disk is one clear error, and what came stays for the next time', async (context) => {
    const disk = smallDisk(disks, 'disk', 1);
    if (disk === undefined) {
      context.skip('no small file system can be mounted');
      return;
    }
    const file = path.join(disk, 'weights.safetensors');
    const run = await start(context, [], { without: ['length'] });
    run.server.files[FILE] = bytes(1_500_000);
    await assert.rejects(run.again({ file }), {
      code: 'DISK_FULL',
      message: /is full\. Free some space/,
    });
    run.server.without.clear();
    await assert.rejects(run.again({ file }), {
      code: 'DISK_FULL',
      message: /needs \d MB .* only/,
    });
    assert.ok(readdirSync(disk).every((name) => name.includes('.partial')));
  });
});

describe('a proxy', () => {
  const variables = [
    'HTTP_PROXY',
    'HTTPS_PROXY',
    'NO_PROXY',
    'http_proxy',
    'https_proxy',
    'no_proxy',
  ];
  const withEnvironment = (context: TestContext, set: Record<string, string>) => {
    const before = Object.fromEntries(variables.map((name) => [name, process.env[name]]));
    context.after(() => {
      for (const [name, value] of Object.entries(before)) {
        if (value === undefined) Reflect.deleteProperty(process.env, name);
        else process.env[name] = value;
      }
    });
    for (const name of variables) Reflect.deleteProperty(process.env, name);
    Object.assign(process.env, set);
  };

  it('of the environment is used, and NO_PROXY names exceptions', async (context) => {
    const proxy = await startProxy(context);
    const run = await start(context, [breakAfter(100_000)]);
    withEnvironment(context, { HTTP_PROXY: proxy.url });
    await run.again();
    assertWhole(run);
    assert.ok(proxy.passed.length > 0);
    assert.ok(proxy.passed.every((host) => host === run.server.url.host));

    const direct = await start(context, []);
    const passed = proxy.passed.length;
    withEnvironment(context, { http_proxy: proxy.url, no_proxy: 'example.org,127.0.0.1' });
    await direct.again();
    assertWhole(direct);
    assert.equal(proxy.passed.length, passed);
  });

  it('that is down or refuses is told as such', async (context) => {
    const proxy = await startProxy(context);
    proxy.refusal = 407;
    const run = await start(context, []);
    withEnvironment(context, { HTTP_PROXY: proxy.url });
    await assert.rejects(run.again(), {
      code: 'DOWNLOAD_FAILED',
      message: /proxy does not let connections .* through \(407\)\. See HTTPS_PROXY/,
    });
    assert.equal(run.server.requests.length, 0);
    withEnvironment(context, { HTTP_PROXY: 'http://127.0.0.1:9' });
    await assert.rejects(run.again(), { code: 'DOWNLOAD_FAILED', message: /connection refused/ });
  });
});
