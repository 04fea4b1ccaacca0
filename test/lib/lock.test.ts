/** Locks between processes. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { isLocked, tryLock } from '../../src/lib/lock.js';
import { machineName } from '../../src/lib/process-folder.js';
import { temporaryFolder } from '../support/audio.js';
import { until } from '../support/until.js';

const folder = temporaryFolder({ after });
const STALE_MS = 60_000;
let locks = 0;
const newLock = () => path.join(folder, `lock-${locks++}`);

const tryFor = (lock: string, staleMs = STALE_MS, onLost: () => void = () => undefined) =>
  tryLock(lock, { staleMs, onLost });

/** A lock that a process left which is no more. */
function abandon(lock: string, machine: string, secondsAgo = 0): void {
  const { pid } = spawnSync(process.execPath, ['--version']);
  mkdirSync(lock);
  const owner = path.join(lock, `.oxboard-${machine}-${pid}-abcdef`);
  writeFileSync(owner, '');
  const time = new Date(Date.now() - secondsAgo * 1000);
  utimesSync(owner, time, time);
}

describe('a lock', () => {
  it('belongs to one at a time, and is free again after its release', async () => {
    const lock = newLock();
    const first = await tryFor(lock);
    assert.ok('release' in first);
    assert.deepEqual(await tryFor(lock), { pid: process.pid });
    assert.equal(await isLocked(lock, STALE_MS), true);
    await first.release();
    assert.equal(await isLocked(lock, STALE_MS), false);
    const second = await tryFor(lock);
    assert.ok('release' in second);
    await second.release();
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('.')),
      [],
    );
  });

  it('of a dead owner goes to exactly one of many that find it', async () => {
    const machine = await machineName();
    for (let round = 0; round < 20; round++) {
      const lock = newLock();
      abandon(lock, machine);
      const attempts = await Promise.all(Array.from({ length: 20 }, () => tryFor(lock)));
      const taken = attempts.filter((attempt) => 'release' in attempt);
      assert.equal(taken.length, 1);
      for (const { release } of taken) await release();
    }
  });

  it('of another machine is free when it was not renewed for long', async () => {
    const lock = newLock();
    abandon(lock, '0123456789ab');
    assert.deepEqual(await tryFor(lock), { pid: undefined });
    rmSync(lock, { recursive: true });
    abandon(lock, '0123456789ab', 2 * (STALE_MS / 1000));
    const attempt = await tryFor(lock);
    assert.ok('release' in attempt);
    await attempt.release();
  });

  it('of a killed process with our own id is free, as in a container that starts anew', async () => {
    const lock = newLock();
    mkdirSync(lock);
    writeFileSync(path.join(lock, `.oxboard-${await machineName()}-${process.pid}-abcdef`), '');
    const attempt = await tryFor(lock);
    assert.ok('release' in attempt);
    await attempt.release();
  });

  it('tells its owner when another process has taken it, whose lock it then leaves alone', async () => {
    const lock = newLock();
    let lost = 0;
    const first = await tryFor(lock, 50, () => lost++);
    assert.ok('release' in first);
    // As another machine does when this one stood still.
    for (const name of readdirSync(lock)) rmSync(path.join(lock, name));
    const second = await tryFor(lock);
    assert.ok('release' in second);
    await until(() => lost === 1, 'the notice');
    await first.release();
    assert.equal(await isLocked(lock, STALE_MS), true);
    await second.release();
  });
});
