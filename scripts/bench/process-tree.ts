import { readdirSync, readFileSync } from 'node:fs';

/** Linux tells CPU time in hundredths of a second, whatever the kernel's own clock (USER_HZ). */
const TICK_MS = 10;
const KIB = 1024;

/** CPU milliseconds (user and system) of these processes and all their descendants so far. */
export function cpuMs(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of treeOf(pids)) {
    const fields = statOf(pid);
    ticks += Number(fields?.[11] ?? 0) + Number(fields?.[12] ?? 0);
  }
  return ticks * TICK_MS;
}

/** Resident bytes of these processes and all their descendants. */
export function residentBytes(pids: readonly number[]): number {
  let bytes = 0;
  for (const pid of treeOf(pids)) {
    const match = /^VmRSS:\s+(\d+)/m.exec(readProc(`${pid}/status`) ?? '');
    bytes += Number(match?.[1] ?? 0) * KIB;
  }
  return bytes;
}

/** Samples resident memory until it is stopped, which gives the largest sample. */
export function watchResident(pids: readonly number[], everyMs = 200): () => number {
  let most = residentBytes(pids);
  const timer = setInterval(() => {
    most = Math.max(most, residentBytes(pids));
  }, everyMs);
  return () => {
    clearInterval(timer);
    return Math.max(most, residentBytes(pids));
  };
}

function treeOf(roots: readonly number[]): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(statOf(Number(name))?.[1] ?? 0);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const tree = [...roots];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}

/** The fields of /proc/<pid>/stat from `state` on: [1] parent, [11] utime, [12] stime. */
function statOf(pid: number): readonly string[] | undefined {
  const stat = readProc(`${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch {
    return undefined; // The process ended meanwhile.
  }
}
