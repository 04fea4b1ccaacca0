/** What becomes of a link to a file. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import type { LookupFunction } from 'node:net';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import type { OxboardError } from '../../../src/errors.js';
import { fetchFile, type Timeouts } from '../../../src/intake/source-url/fetch-file.js';
import { createPublicLookup } from '../../../src/network/public-address.js';
import { temporaryFolder } from '../../support/audio.js';
import { file, stalling, startMediaSite, type MediaSite } from '../../support/media-site.js';

const folder = temporaryFolder({ after });
const SONG = Buffer.alloc(100_000, 'song ');
const MAX_BYTES = 200_000;
const site = await startMediaSite({ after });
/** What is nobody's business. */
const inside = await startMediaSite({ after }, { '/secret.mp3': file(SONG) });

type Page = MediaSite['pages'][string];
const answer =
  (status: number, headers: Record<string, string> = {}, body?: Buffer): Page =>
  (_request, response) => {
    response.writeHead(status, headers).end(body);
  };
const redirect = (location: string): Page => answer(302, { Location: location });
const endless = (_request: unknown, response: ServerResponse): void => {
  response.writeHead(200);
  const more = setInterval(() => response.write(Buffer.alloc(50_000)), 1);
  response.once('close', () => clearInterval(more));
};

function fetch(
  link: string,
  {
    hosts = [site.host],
    lookup,
    timeouts,
    signal = new AbortController().signal,
    onProgress = () => undefined,
  }: {
    hosts?: string[];
    lookup?: LookupFunction;
    timeouts?: Timeouts;
    signal?: AbortSignal;
    onProgress?: (fraction: number) => void;
  } = {},
) {
  return fetchFile(
    link,
    {
      allowedHosts: hosts,
      maxFileSize: MAX_BYTES,
      ...(lookup && { lookup }),
      ...(timeouts && { timeouts }),
    },
    { directory: mkdtempSync(path.join(folder, 'call-')), signal, onProgress },
  );
}

/** A link with this page behind it fails so. */
async function refuses(page: Page, code: OxboardError['code'], message: RegExp): Promise<void> {
  site.pages['/x?key=secret'] = page;
  await assert.rejects(fetch(site.url('/x?key=secret')), (error: OxboardError) => {
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
}

describe('a link to a file', () => {
  it('comes to the bytes of the file, with progress', async () => {
    site.pages['/My%20song.mp3?key=secret'] = file(SONG);
    const fractions: number[] = [];
    const song = await fetch(site.url('/My%20song.mp3?key=secret'), {
      onProgress: (fraction) => fractions.push(fraction),
    });
    assert.equal(song.name, 'My song.mp3');
    assert.deepEqual(readFileSync(song.path), SONG);
    assert.equal(fractions.at(-1), 1);
    assert.deepEqual(
      fractions,
      [...fractions].sort((a, b) => a - b),
    );
  });

  it('is asked for as it is, without compression', async () => {
    site.pages['/plain.mp3'] = ({ headers }, response) => {
      response.end(headers['accept-encoding']);
    };
    const { path: plain } = await fetch(site.url('/plain.mp3'));
    assert.equal(readFileSync(plain, 'utf8'), 'identity');
  });

  it('has the name that the answer gives, else that in the link', async () => {
    const attachment = (value: string) => ({ 'Content-Disposition': value });
    site.pages['/get?id=1'] = answer(200, attachment('attachment; filename="../a b.flac"'), SONG);
    assert.equal((await fetch(site.url('/get?id=1'))).name, 'a b.flac');
    site.pages['/get?id=2'] = answer(
      200,
      attachment(`inline; filename*=UTF-8''%c3%81%2emp3`),
      SONG,
    );
    assert.equal((await fetch(site.url('/get?id=2'))).name, 'Á.mp3');
    site.pages['/get.ogg'] = answer(200, attachment('attachment; filename=download'), SONG);
    assert.equal((await fetch(site.url('/get.ogg'))).name, 'get.ogg');
    site.pages['/%ff.ogg'] = answer(200, attachment('no; disposition'), SONG);
    assert.equal((await fetch(site.url('/%ff.ogg'))).name, '%ff.ogg');
    site.pages['/'] = file(SONG);
    assert.equal((await fetch(site.url('/'))).name, 'song');
  });

  it('is followed through redirects, to hosts that are allowed', async () => {
    site.pages['/moved'] = redirect('/here.mp3');
    site.pages['/here.mp3'] = file(SONG);
    assert.equal((await fetch(site.url('/moved'))).name, 'here.mp3');
    await refuses(
      redirect(inside.url('/secret.mp3')),
      'SOURCE_URL_HOST_NOT_ALLOWED',
      /no files from/,
    );
    await refuses(redirect('http://169.254.169.254/'), 'SOURCE_URL_HOST_NOT_ALLOWED', /only from/);
    await refuses(redirect('file:///etc/passwd?secret'), 'INVALID_OPTION', /http or https/);
    await refuses(redirect('http://'), 'SOURCE_URL_REFUSED', /no URL/);
    await refuses(redirect('/x?key=secret'), 'SOURCE_URL_REFUSED', /without end/);
    assert.deepEqual(inside.asked, []);
  });

  it('leads to public addresses only, whatever a name or a redirect means', async () => {
    const anywhere = { hosts: ['*', site.host] };
    site.pages['/inside'] = redirect('http://127.0.0.1/secret.mp3');
    for (const link of ['http://[::1]/a.mp3', 'https://10.0.0.1/', site.url('/inside')]) {
      await assert.rejects(fetch(link, anywhere), { code: 'ADDRESS_NOT_PUBLIC' }, link);
    }
    await assert.rejects(fetch(inside.url('/secret.mp3'), anywhere), {
      code: 'INVALID_OPTION',
      message: /only 80 and 443/,
    });
    const names: string[] = [];
    const lookup = createPublicLookup((name, _options, done) => {
      names.push(name);
      done(null, [{ address: '127.0.0.1', family: 4 }]);
    });
    site.pages['/rebound'] = redirect('http://rebound.example/');
    for (const link of ['https://rebound.example/a.mp3', site.url('/rebound')]) {
      await assert.rejects(fetch(link, { ...anywhere, lookup }), { code: 'ADDRESS_NOT_PUBLIC' });
    }
    assert.deepEqual(names, ['rebound.example', 'rebound.example']);
    assert.deepEqual(inside.asked, []);
  });

  it('may not be larger than a song may be, whatever is said', async () => {
    const larger = Buffer.alloc(MAX_BYTES + 1);
    await refuses(file(larger), 'FILE_TOO_LARGE', /200000 bytes/);
    await refuses(answer(200, {}, larger), 'FILE_TOO_LARGE', /200000 bytes/);
    await refuses(endless, 'FILE_TOO_LARGE', /200000 bytes/);
    site.pages['/most.mp3'] = file(larger.subarray(1));
    await fetch(site.url('/most.mp3'));
  });

  it('fails with what the host answers, and for now where that may pass', async () => {
    for (const status of [401, 403, 404, 410, 206]) {
      await refuses(answer(status), 'SOURCE_URL_REFUSED', new RegExp(`status ${String(status)}`));
    }
    for (const status of [429, 500, 503]) {
      await refuses(answer(status), 'SOURCE_URL_NETWORK', /Try again later/);
    }
    await refuses(answer(200, { 'Content-Encoding': 'gzip' }), 'SOURCE_URL_REFUSED', /compressed/);
    await refuses(
      (_request, response) => {
        response.writeHead(200, { 'Content-Length': SONG.length });
        response.write(SONG.subarray(1), () => response.destroy());
      },
      'SOURCE_URL_NETWORK',
      /broke off/,
    );
    await assert.rejects(fetch('http://127.0.0.1:1/', { hosts: ['127.0.0.1:1'] }), {
      code: 'SOURCE_URL_NETWORK',
    });
  });

  it('is given up when nothing comes any more, or too slowly', async () => {
    site.pages['/stalling.mp3'] = stalling(SONG);
    const soon = { connectMs: 10_000, stallMs: 100, totalMs: 10_000 };
    await assert.rejects(fetch(site.url('/stalling.mp3'), { timeouts: soon }), {
      code: 'SOURCE_URL_NETWORK',
      message: /broke off/,
    });
    const late = { connectMs: 10_000, stallMs: 10_000, totalMs: 100 };
    await assert.rejects(fetch(site.url('/stalling.mp3'), { timeouts: late }), {
      code: 'SOURCE_URL_NETWORK',
      message: /too slow/,
    });
  });

  it('is no longer asked for when its job is cancelled', async () => {
    const cancel = new AbortController();
    const gone = new Promise<void>((resolve) => {
      site.pages['/cancelled.mp3'] = (_request, response) => {
        response.once('close', resolve);
        response.writeHead(200, { 'Content-Length': SONG.length });
        response.write(SONG.subarray(1));
      };
    });
    const reason = new Error('cancelled');
    await assert.rejects(
      fetch(site.url('/cancelled.mp3'), {
        signal: cancel.signal,
        onProgress: () => cancel.abort(reason),
      }),
      reason,
    );
    await gone;
  });
});
