import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { barLine } from '../../src/bin/terminal-bar.js';

const state = {
  percent: 45.6,
  left: '1:02',
  title: 'Separating drums, bass, other, vocals, guitar, piano',
  details: '2.31x real time',
};

describe('the progress line', () => {
  it('shows all of it on a wide terminal', () => {
    const bar = `${'='.repeat(14)}${' '.repeat(16)}`;
    assert.equal(
      barLine(state, 160),
      ` 45 %, 1:02 left [${bar}] Separating drums, bass, other, vocals, guitar, piano, 2.31x real time`,
    );
  });

  it('never is longer than the terminal, and always begins with percent and time left', () => {
    for (let columns = 16; columns <= 160; columns++) {
      const line = barLine(state, columns);
      assert.ok(line.length <= columns, line);
      assert.ok(line.startsWith(' 45 %, 1:02 left'), line);
    }
  });

  it('shrinks the bar first, then cuts the label', () => {
    assert.match(barLine(state, 79), /\[=+ +\] Separating drums, bass, other, .*…$/);
    assert.match(barLine(state, 40), /\[=+ +\] .*…$/);
    assert.match(barLine(state, 30), /\[=+ +\]$/);
  });

  it('leaves out the time while it is not known', () => {
    assert.match(barLine({ percent: 100, title: 'Writing' }, 79), /^100 % \[={30}\] Writing$/);
  });
});
