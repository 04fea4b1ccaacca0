/** The Lua scripts are Lua 5.1, as Redis runs it, and use no name that nobody defines. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import luaparse from 'luaparse';
import { SCRIPT_SOURCES } from '../../src/queue/scripts.js';

/** What Redis and Lua offer to scripts, as far as ours need it. */
const KNOWN = new Set([
  ...['ARGV', 'cjson', 'redis', 'error', 'ipairs', 'math', 'next', 'pairs', 'string', 'table'],
  ...['pcall', 'tonumber', 'tostring', 'type', 'unpack'],
]);

describe('the scripts', () => {
  for (const [name, source] of Object.entries(SCRIPT_SOURCES)) {
    it(`${name} can be parsed, and each name in it is defined`, () => {
      const { globals } = luaparse.parse(source, { luaVersion: '5.1', scope: true }) as unknown as {
        globals: { name: string }[];
      };
      const unknown = globals.filter((global) => !KNOWN.has(global.name)).map(({ name }) => name);
      assert.deepEqual(unknown, []);
    });
  }

  it('are all there', () => {
    assert.ok(Object.keys(SCRIPT_SOURCES).length > 20);
  });
});
