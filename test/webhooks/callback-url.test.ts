/** What a client may give as callback_url, in every disguise. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OxboardError } from '../../src/errors.js';
import { parseCallbackUrl } from '../../src/webhooks/callback-url.js';

const codeOf = (given: unknown, allowPrivate = false): string => {
  try {
    parseCallbackUrl(given, { allowPrivate });
    return 'taken';
  } catch (error) {
    assert.ok(error instanceof OxboardError, String(error));
    return error.code;
  }
};

/** Refused whatever is allowed. */
const NEVER = [
  'file:///etc/passwd',
  'FILE://localhost/etc/passwd',
  'gopher://example.org/_x',
  'ftp://example.org/',
  'data:text/plain,x',
  'javascript:alert(1)',
  'unix:/run/redis.sock',
  'ws://example.org/',
  '-o/tmp/x',
  '--help',
  '-https://example.org/',
  '//example.org/',
  '/hook',
  'example.org',
  'http:example.org',
  'http:/example.org',
  'http:///example.org',
  'http:\\\\example.org',
  'http://example.org\\@10.0.0.1/',
  'http://user@example.org/',
  'http://user:password@example.org/',
  'http://:@example.org/',
  'http://@example.org/',
  'http://example.org:443@10.0.0.1/',
  'http://example.org/#fragment',
  'http://example.org/ x',
  ' http://example.org/',
  'http://example.org/\n',
  'http://exa\tmple.org/',
  'http://example.org/\r\nX-Header: 1',
  'http://example.org/\0',
  'http://example.org/\u2028',
  'http://',
  'http://?x',
  'http://[::1',
  'http://1.2.3.4.5/',
  'http://256.256.256.256/',
  'http://example.org:65536/',
  'http://example.org:x/',
  `https://example.org/${'x'.repeat(2048)}`,
  ['https://example.org/', 'https://example.org/'],
  7,
  null,
];

const PRIVATE_HOSTS = [
  '127.0.0.1',
  '2130706433',
  '0x7f000001',
  '0x7f.1',
  '017700000001',
  '0177.0.0.1',
  '127.1',
  '0',
  '127.0.0.1.',
  '①②⑦.⓪.⓪.①',
  '%31%32%37.0.0.1',
  '10.0.0.1',
  '167772161',
  '192.168.0.1',
  '172.16.0.1',
  '169.254.169.254',
  '0xa9fea9fe',
  '100.64.0.1',
  'localhost',
  'LocalHost.',
  'a.localhost',
  '[::1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[0:0:0:0:0:ffff:a00:1]',
  '[::127.0.0.1]',
  '[64:ff9b::10.0.0.1]',
  '[2002:a00:1::]',
  '[fe80::1]',
  '[fd00::1]',
  '[fec0::1]',
];

describe('callback_url', () => {
  it('is an http: or https: URL on the public Internet, kept as it is asked for', () => {
    const parse = (url: string) => parseCallbackUrl(url, { allowPrivate: false });
    assert.equal(parse('https://example.org/hook?a=b@c&d'), 'https://example.org/hook?a=b@c&d');
    assert.equal(parse('HTTP://EXAMPLE.org:80'), 'http://example.org/');
    assert.equal(parse('http://example.org:443/x'), 'http://example.org:443/x');
    assert.equal(parse('https://example.org?x=1'), 'https://example.org/?x=1');
    assert.equal(parse('https://bücher.example/ü'), 'https://xn--bcher-kva.example/%C3%BC');
    assert.equal(parse('http://1.1.1.1/a/../b'), 'http://1.1.1.1/b');
    assert.equal(parse('http://[2606:4700:4700::1111]/'), 'http://[2606:4700:4700::1111]/');
  });

  it('is nothing else, also where private addresses are allowed', () => {
    for (const given of NEVER) {
      assert.equal(codeOf(given), 'INVALID_OPTION', String(given));
      assert.equal(codeOf(given, true), 'INVALID_OPTION', String(given));
    }
  });

  it('is no private address in any form, unless they are allowed', () => {
    for (const host of PRIVATE_HOSTS) {
      for (const url of [`http://${host}/`, `https://${host}:443/x`]) {
        assert.equal(codeOf(url), 'ADDRESS_NOT_PUBLIC', url);
        assert.equal(codeOf(url, true), 'taken', url);
      }
    }
  });

  it('has a port of the web, unless private addresses are allowed', () => {
    for (const port of [0, 22, 81, 6379, 8000, 8080, 65_535]) {
      const url = `http://example.org:${port}/`;
      assert.equal(codeOf(url), 'INVALID_OPTION', url);
      assert.equal(codeOf(url, true), 'taken', url);
    }
  });
});
