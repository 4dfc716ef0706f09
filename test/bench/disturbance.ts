import { readFile } from 'node:fs/promises';
import type { Thread } from './contenders/contender.js';

/**
 * How much of the CPUs others took. Both threads under measurement spin without ever sleeping, so whatever they did not
 * run was taken from them: by other processes (seen in the thread's own run time) or by the machine's host (steal).
 */

/** A thread's run time at a moment, both in milliseconds. */
export interface RunTime {
  readonly at: number;
  readonly ran: number;
}

export interface Activity {
  readonly threads: readonly RunTime[];
  /** Milliseconds that the host took from each of the CPUs. */
  readonly stolen: readonly number[];
}

/** Milliseconds per clock tick; fixed on Linux for user space. */
const tick = 10;

/** /proc/PID/task/TID/schedstat, or the coarser stat where the kernel keeps no such statistics. */
export function parseRunTime(schedstat: string | undefined, stat: string): number {
  const nanoseconds = Number(schedstat?.split(' ')[0] ?? 0);
  if (nanoseconds > 0) return nanoseconds / 1e6;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tick;
}

/** Milliseconds stolen from a CPU, out of /proc/stat. */
export function parseStolen(procStat: string, cpu: number): number {
  const line = procStat.split('\n').find((text) => text.startsWith(`cpu${cpu} `));
  return Number(line?.split(/\s+/)[8] ?? 0) * tick;
}

async function runTime({ pid, tid }: Thread): Promise<RunTime> {
  const dir = `/proc/${pid}/task/${tid}`;
  const schedstat = await readFile(`${dir}/schedstat`, 'utf8').catch(() => undefined);
  const stat = schedstat === undefined ? await readFile(`${dir}/stat`, 'utf8') : '';
  return { at: performance.now(), ran: parseRunTime(schedstat, stat) };
}

export async function activity(threads: readonly Thread[], cpus: readonly number[]): Promise<Activity> {
  const procStat = await readFile('/proc/stat', 'utf8');
  return {
    threads: await Promise.all(threads.map(runTime)),
    stolen: cpus.map((cpu) => parseStolen(procStat, cpu)),
  };
}

/** The larger of the shares that the two threads went without, between two moments. */
export function foreignShare(from: Activity, to: Activity): number {
  const shares = to.threads.map((now, index) => {
    const before = from.threads[index] ?? now;
    const passed = now.at - before.at;
    if (passed <= 0) return 0;
    const stolen = ((to.stolen[index] ?? 0) - (from.stolen[index] ?? 0)) / passed;
    // Where the kernel knows of steal it leaves it out of run times: not to be added.
    return Math.max(1 - (now.ran - before.ran) / passed, stolen, 0);
  });
  return Math.max(...shares);
}
