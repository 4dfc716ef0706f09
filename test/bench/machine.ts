import { readFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';

export interface Machine {
  readonly processor: string;
  readonly cpus: number;
  readonly memoryMb: number;
  readonly kernel: string;
}

export function machineFacts(): Machine {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    memoryMb: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
  };
}

/** CPUs of this process, e.g. [0, 1]. */
export async function allowedCpus(): Promise<number[]> {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(await readFile('/proc/self/status', 'utf8'))?.[1] ?? '';
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** Clock ticks that some CPUs have spent at work or lost to other machines, and those that given processes took. */
export interface Ticks {
  readonly busy: number;
  readonly stolen: number;
  readonly ours: number;
}

async function processTicks(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

export async function ticks(onCpus: readonly number[], pids: readonly number[]): Promise<Ticks> {
  const lines = (await readFile('/proc/stat', 'utf8')).split('\n');
  let busy = 0;
  let stolen = 0;
  for (const cpu of onCpus) {
    const line = lines.find((text) => text.startsWith(`cpu${cpu} `)) ?? '';
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(' ').slice(1).map(Number);
    busy += user + nice + system + irq + softirq;
    stolen += steal;
  }
  const ours = await Promise.all(pids.map(processTicks));
  return { busy, stolen, ours: ours.reduce((a, b) => a + b, 0) };
}

/** Ticks per second and CPU; fixed on Linux for user space. */
const ticksPerSecond = 100;

/** Share of the CPUs' time that went to others, between two readings. */
export function foreignShare(from: Ticks, to: Ticks, seconds: number, cpuCount: number): number {
  const foreign = to.busy - from.busy - (to.ours - from.ours) + (to.stolen - from.stolen);
  return Math.max(0, foreign) / (seconds * ticksPerSecond * cpuCount);
}
