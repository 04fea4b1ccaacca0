/** The Redis that `oxboard serve` runs for itself. */
import assert from 'node:assert/strict';
import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createClient } from 'redis';
import { temporaryFolder } from '../support/audio.js';
import { until } from '../support/until.js';

const OWNER = fileURLToPath(new URL('children/redis-owner.ts', import.meta.url));
const folder = temporaryFolder({ after });

interface Owner {
  child: ChildProcess;
  said: { url?: string; code?: string; message?: string };
}

/** Starts a process that owns a Redis; resolves when it has one, or does not get one. */
async function own(
  dataDir: string,
  env: NodeJS.ProcessEnv = {},
  startTimeoutMs = 60_000,
): Promise<Owner> {
  const child = fork(OWNER, [dataDir, String(startTimeoutMs)], {
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  after(() => child.kill('SIGKILL'));
  const [said] = (await once(child, 'message')) as [Owner['said']];
  return { child, said };
}

async function end({ child }: Owner, how: 'stop' | 'SIGKILL'): Promise<void> {
  const exited = once(child, 'exit');
  if (how === 'stop') child.send('stop');
  else child.kill(how);
  await exited;
}

const connectTo = (url: string) => createClient({ url });

async function withClient<T>(
  { said }: Owner,
  work: (client: ReturnType<typeof connectTo>) => Promise<T>,
): Promise<T> {
  const client = connectTo(said.url!);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    client.destroy();
  }
}

const listens = (url: string) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(fileURLToPath(url.replace('unix:', 'file:')));
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const processOf = (owner: Owner): Promise<number> =>
  withClient(owner, async (client) =>
    Number(/process_id:(\d+)/.exec(await client.info('server'))?.[1]),
  );

void describe('the private Redis', () => {
  it('keeps its data from one run to the next, also when it is killed with its owner', async () => {
    const dataDir = path.join(folder, 'keeps "it" 50% #1?');
    const first = await own(dataDir);
    await withClient(first, (client) => client.set('a', '1'));
    await end(first, 'stop');
    assert.equal(await listens(first.said.url!), false);

    const second = await own(dataDir);
    const pid = await processOf(second);
    assert.equal(await withClient(second, (client) => client.get('a')), '1');
    await withClient(second, (client) => client.set('b', '2'));
    await end(second, 'SIGKILL');
    await until(() => !isAlive(pid));

    const third = await own(dataDir);
    assert.equal(await withClient(third, (client) => client.get('b')), '2');
    await end(third, 'stop');
  });

  for (const fsync of ['everysec', 'always']) {
    it(`writes to the disk as REDIS_FSYNC=${fsync} says`, async () => {
      const owner = await own(path.join(folder, fsync), { REDIS_FSYNC: fsync });
      await withClient(owner, async (client) => {
        assert.deepEqual({ ...(await client.configGet('appendfsync')) }, { appendfsync: fsync });
      });
      await end(owner, 'stop');
    });
  }

  it('has no port and is for its user alone', async () => {
    const owner = await own(path.join(folder, 'alone'));
    await withClient(owner, async (client) => {
      assert.deepEqual({ ...(await client.configGet('port')) }, { port: '0' });
      assert.deepEqual(
        { ...(await client.configGet('unixsocketperm')) },
        { unixsocketperm: '700' },
      );
      assert.deepEqual({ ...(await client.configGet('appendonly')) }, { appendonly: 'yes' });
    });
    await end(owner, 'stop');
  });

  it('is refused to a second service with the same folder', async () => {
    const dataDir = path.join(folder, 'twice');
    const first = await own(dataDir);
    const second = await own(dataDir);
    assert.equal(second.said.code, 'DATA_DIR_IN_USE');
    assert.match(second.said.message!, new RegExp(`process ${first.child.pid!}, uses .*DATA_DIR`));
    await withClient(first, (client) => client.set('still', 'there'));
    await end(first, 'stop');
  });

  it('goes to exactly one of several services that start when the last one was killed', async () => {
    const dataDir = path.join(folder, 'contested');
    const killed = await own(dataDir);
    await withClient(killed, (client) => client.set('a', '1'));
    await end(killed, 'SIGKILL');

    const starters = await Promise.all(Array.from({ length: 4 }, () => own(dataDir)));
    const [winner, ...others] = starters.filter(({ said }) => said.url !== undefined);
    assert.ok(winner);
    assert.deepEqual(others, []);
    const refused = starters.filter(({ said }) => said.code === 'DATA_DIR_IN_USE');
    assert.equal(refused.length, 3);
    assert.equal(await withClient(winner, (client) => client.get('a')), '1');
    await end(winner, 'stop');
  });

  it('that does not answer after its start is ended, and the start fails', async () => {
    const bin = path.join(folder, 'mute');
    mkdirSync(bin);
    const pidFile = path.join(folder, 'mute.pid');
    writeFileSync(
      path.join(bin, 'redis-server'),
      `#!/bin/sh\necho "# Mute"\necho $$ > "${pidFile}"\nexec sleep 600\n`,
      { mode: 0o755 },
    );
    const dataDir = path.join(folder, 'mute-data');
    const { said, child } = await own(dataDir, { PATH: `${bin}:${process.env.PATH}` }, 1_000);
    assert.equal(said.code, 'REDIS_UNAVAILABLE');
    assert.match(said.message!, /did not answer within 1 s, and was ended\. Its output:\n# Mute/);
    await until(() => !isAlive(Number(readFileSync(pidFile, 'utf8'))), 'the end of the server');
    if (child.exitCode === null) await once(child, 'exit');
    const next = await own(dataDir);
    assert.ok(next.said.url);
    await end(next, 'stop');
  });

  it('of an earlier run that does not end stops the start, with a line that says so', async () => {
    const dataDir = path.join(folder, 'deaf');
    const redis = path.join(dataDir, 'redis');
    mkdirSync(redis, { recursive: true });
    const connections = new Set<Socket>();
    const server = createServer((connection) => connections.add(connection));
    server.listen(path.join(redis, 'redis.sock'));
    await once(server, 'listening');
    const { said } = await own(dataDir, {}, 1_000);
    assert.equal(said.code, 'REDIS_UNAVAILABLE');
    assert.match(said.message!, /^A redis-server of an earlier run listens on .* and does not end/);
    server.close();
    for (const connection of connections) connection.destroy();
  });

  it('is started again when it is killed', async () => {
    const owner = await own(path.join(folder, 'again'));
    await withClient(owner, (client) => client.set('a', '1'));
    const pid = await processOf(owner);
    process.kill(pid, 'SIGKILL');
    await until(() => !isAlive(pid));
    await until(() => listens(owner.said.url!));
    assert.notEqual(await processOf(owner), pid);
    assert.equal(await withClient(owner, (client) => client.get('a')), '1');
    await end(owner, 'stop');
  });

  it('ends one that an earlier run left behind', async () => {
    const dataDir = path.join(folder, 'orphan');
    const first = await own(dataDir);
    const pid = await processOf(first);
    await withClient(first, (client) => client.set('a', '1'));
    // Without guardian nobody takes it along; the owner must not see that the guardian is gone.
    first.child.kill('SIGSTOP');
    const guardians = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.includes('oxboard-redis') && line.includes(dataDir))
      .map((line) => Number(line.trim().split(/\s+/)[0]));
    assert.ok(guardians.length > 0);
    for (const guardian of guardians) process.kill(guardian, 'SIGKILL');
    await end(first, 'SIGKILL');
    assert.ok(isAlive(pid));

    const second = await own(dataDir);
    await until(() => !isAlive(pid));
    assert.equal(await withClient(second, (client) => client.get('a')), '1');
    await end(second, 'stop');
  });

  it('works in a folder whose path is too long for a socket', async () => {
    const dataDir = path.join(folder, 'x'.repeat(120));
    const owner = await own(dataDir);
    await withClient(owner, (client) => client.ping());
    const socket = owner.said.url!.replace('unix://', '');
    assert.ok(!socket.startsWith(folder));
    await end(owner, 'stop');
    assert.ok(!existsSync(path.dirname(socket)));
  });

  it('says how to get redis-server where there is none', async () => {
    const bin = path.join(folder, 'bin');
    mkdirSync(bin);
    symlinkSync(process.execPath, path.join(bin, 'node'));
    const owner = await own(path.join(folder, 'none'), { PATH: bin });
    assert.equal(owner.said.code, 'REDIS_MISSING');
    assert.match(owner.said.message!, /npx oxboard setup/);
  });
});
