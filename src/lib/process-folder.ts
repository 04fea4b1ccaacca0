/**
 * Folders that bear the name of the process that made them, so that those of a process that was
 * killed can be told from those of one that lives.
 */
import { mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { sha256Hex } from './hash.js';

/** Makes a folder of this process in `parent`, which exists. */
export async function makeProcessFolder(parent: string): Promise<string> {
  return mkdtemp(path.join(parent, `${await ownPrefix()}-`));
}

export interface AbandonedOptions {
  /** Tells the folders that this process uses. */
  isOpen: (directory: string) => boolean;
  /**
   * Seconds without a change after which a folder of another machine, whose processes cannot be
   * asked for, is abandoned; without it, those stay.
   */
  foreignSeconds?: number;
}

/** Removes the folders in `parent` of processes that are no more, as far as that can be done. */
export async function removeAbandonedFolders(
  parent: string,
  { isOpen, foreignSeconds = Infinity }: AbandonedOptions,
): Promise<void> {
  const machine = await machineName();
  for (const name of await readdir(parent).catch(() => [])) {
    const maker = makerOf(name);
    if (maker === undefined) continue;
    const directory = path.join(parent, name);
    if (isOpen(directory)) continue;
    const abandoned =
      maker.machine === machine
        ? !(await isInUse(directory, maker.pid))
        : (await lastChange(directory)) < Date.now() - foreignSeconds * 1000;
    if (abandoned) await rm(directory, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** The process that made a folder of that name; undefined for other names. */
export function makerOf(name: string): { machine: string; pid: number } | undefined {
  const [, machine, pid] = /^\.oxboard-([0-9a-f]+)-(\d+)-\w+$/.exec(name) ?? [];
  return machine === undefined ? undefined : { machine, pid: Number(pid) };
}

/** What tells machines and containers apart; empty where the system does not have it. */
export interface MachineFacts {
  hostname: string;
  /** Of process ids, as /proc names it. */
  namespace: string;
  /** Drawn when the system was installed, or when its image was built. */
  machineId: string;
  /** Drawn each time the kernel starts; containers have that of their host. */
  bootId: string;
}

/** Linux' name of the namespace outside of all containers. */
const HOST_NAMESPACE = 'pid:[4026531836]';

/**
 * Names the machine, or container, whose process ids are the same as those that `facts` are from.
 * Outside of containers the name outlasts a restart, so that what a power failure left is known as
 * ours. In a container it does not: the machine id may be that of an image that others run too.
 */
export function nameMachine({ hostname, namespace, machineId, bootId }: MachineFacts): string {
  const lasting = namespace === HOST_NAMESPACE && /^[0-9a-f]{32}$/.test(machineId);
  const facts = [hostname, namespace, lasting ? machineId : bootId];
  return sha256Hex(facts.join('\n')).slice(0, 12);
}

/** Which machine, or container, this is: a process id means another process elsewhere. */
export async function machineName(): Promise<string> {
  const read = async (file: string) => (await readFile(file, 'utf8').catch(() => '')).trim();
  return nameMachine({
    hostname: hostname(),
    namespace: await readlink('/proc/self/ns/pid').catch(() => ''),
    machineId: await read('/etc/machine-id'),
    bootId: await read('/proc/sys/kernel/random/boot_id'),
  });
}

const ownPrefix = async (): Promise<string> =>
  `.oxboard-${await machineName()}-${String(process.pid)}`;

async function isInUse(directory: string, pid: number): Promise<boolean> {
  if (pid === process.pid) {
    // Process ids come back, in containers at each start: what is older than this process is not its.
    const { birthtimeMs } = await stat(directory).catch(() => ({ birthtimeMs: Infinity }));
    return birthtimeMs > Date.now() - process.uptime() * 1000;
  }
  return isProcessAlive(pid);
}

/** Of a process of this machine. */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Someone else's process may not be signalled, but it is there.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** The newest time of change of a folder and all in it; what cannot be read counts as new. */
async function lastChange(directory: string): Promise<number> {
  try {
    const names = await readdir(directory, { recursive: true });
    const times = await Promise.all(
      ['', ...names].map(async (name) => (await stat(path.join(directory, name))).mtimeMs),
    );
    return Math.max(...times);
  } catch {
    return Infinity;
  }
}
