/** Python package indexes, as pip is set up to use them. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { openHttp } from '../../src/pull/http.js';
import { findInIndex, packageIndex } from '../../src/pull/package-index.js';
import { temporaryFolder } from '../support/audio.js';
import { answer, serveFiles } from '../support/file-server.js';

const { signal } = new AbortController();
const FILE = 'thing-1.0-py3-none-any.whl';

/** Variables under which no configuration of this machine is found. */
function environment(context: TestContext): NodeJS.ProcessEnv & { HOME: string } {
  const home = temporaryFolder(context);
  return { HOME: home, XDG_CONFIG_DIRS: path.join(home, 'system') };
}

function write(file: string, content: string): string {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

describe('the package index', () => {
  it('is the one of the variable, of the configuration, or PyPI', async (context) => {
    const env = environment(context);
    const indexOf = async (more: NodeJS.ProcessEnv = {}) =>
      (await packageIndex({ ...env, ...more })).href;
    assert.equal(await indexOf(), 'https://pypi.org/simple/');
    write(path.join(env.HOME, 'system/pip/pip.conf'), '[global]\nindex-url = https://a.test/x\n');
    assert.equal(await indexOf(), 'https://a.test/x/');
    write(
      path.join(env.HOME, '.config/pip/pip.conf'),
      '# index-url = https://no.test\n[global]\ntimeout = 3\nindex_url: https://b.test/x/\n' +
        '[list]\nindex-url = https://no.test\n',
    );
    assert.equal(await indexOf(), 'https://b.test/x/');
    const named = write(
      path.join(env.HOME, 'named.conf'),
      '[download]\r\nindex-url=https://c.test\r\n',
    );
    assert.equal(await indexOf({ PIP_CONFIG_FILE: named }), 'https://c.test/');
    assert.equal(await indexOf({ PIP_CONFIG_FILE: '/dev/null' }), 'https://pypi.org/simple/');
    assert.equal(await indexOf({ PIP_INDEX_URL: 'http://d.test/simple' }), 'http://d.test/simple/');
  });

  it('has to be on the web, and a wrong one is named without its password', async (context) => {
    const env = environment(context);
    for (const url of ['file:///srv/simple', 'ftp://me:secret@host/', 'nonsense']) {
      await assert.rejects(packageIndex({ ...env, PIP_INDEX_URL: url }), (error: Error) => {
        assert.match(error.message, /PIP_INDEX_URL/);
        assert.doesNotMatch(error.message, /secret/);
        return (error as { code?: string }).code === 'INVALID_ENVIRONMENT';
      });
    }
  });
});

describe('a page of an index', () => {
  const find = async (context: TestContext, index: URL) => {
    const http = await openHttp({ connectMs: 2000, stallMs: 2000 });
    context.after(() => http.close());
    return findInIndex(http, { index, project: 'thing', file: FILE }, signal);
  };

  it('is read in JSON and in HTML, and its links may be relative', async (context) => {
    const server = await serveFiles(context, {});
    const other = `https://files.test/a/thing-0.9-py3-none-any.whl`;
    const pages: [type: string, body: string, expected: string][] = [
      [
        'application/vnd.pypi.simple.v1+json',
        JSON.stringify({ files: [{ url: other }, { url: `https://files.test/b/${FILE}` }] }),
        `https://files.test/b/${FILE}`,
      ],
      [
        'text/html',
        `<a href="${other}">x</a><a class='y' href='../../f/${FILE}?a=1&amp;b=2#sha256=0'>z</a>`,
        `${server.url.href}f/${FILE}?a=1&b=2`,
      ],
    ];
    for (const [type, body, expected] of pages) {
      server.faults.push(answer(200, { 'content-type': type }, body));
      const url = await find(context, new URL('simple/', server.url));
      assert.equal(url.href, expected);
    }
    assert.deepEqual(
      server.requests.map(({ path }) => path),
      ['/simple/thing/', '/simple/thing/'],
    );
  });

  it('gets the name and password of the index; a file on another host does not', async (context) => {
    const server = await serveFiles(context, {});
    const index = new URL('simple/', server.url);
    index.username = 'me';
    index.password = 'secret';
    for (const [link, username] of [
      [`/f/${FILE}`, 'me'],
      [`https://files.test/${FILE}`, ''],
    ] as const) {
      server.faults.push(answer(200, { 'content-type': 'text/html' }, `<a href="${link}">`));
      assert.equal((await find(context, index)).username, username);
    }
    const basic = `Basic ${Buffer.from('me:secret').toString('base64')}`;
    assert.ok(server.requests.every(({ authorization }) => authorization === basic));
  });

  it('that does not list the file, or is none, is an error that says so', async (context) => {
    const server = await serveFiles(context, {});
    const index = new URL('simple/', server.url);
    for (const [status, type, body, code] of [
      [200, 'text/html', '<html>Sign in', 'DOWNLOAD_NOT_FOUND'],
      [200, 'text/html', `<a href="file:///etc/${FILE}">`, 'DOWNLOAD_NOT_FOUND'],
      [200, 'application/json', '{"files": 3}', 'DOWNLOAD_NOT_FOUND'],
      [404, 'text/html', '', 'DOWNLOAD_NOT_FOUND'],
      [401, 'text/html', '', 'DOWNLOAD_UNAUTHORISED'],
      [200, 'text/html', ' '.repeat(17e6), 'DOWNLOAD_FAILED'],
    ] as const) {
      server.faults.push(answer(status, { 'content-type': type }, body));
      await assert.rejects(find(context, index), { code });
    }
  });
});
