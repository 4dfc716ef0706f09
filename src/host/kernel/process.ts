import type { Host } from '../host.js';

/** Fields of /proc/PID/stat (proc(5)) behind the name, which may hold blanks and brackets itself. */
const STATE = 3;
const STARTTIME = 22;

/**
 * When a process started, in clock ticks since boot, which with its id names it for good; an exec keeps both.
 * undefined where there is none, or it only waits for its parent to take note of its end: that holds nothing any more.
 */
export async function startOf(host: Pick<Host, 'readOptional'>, pid: number): Promise<number | undefined> {
  const stat = await host.readOptional(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0] ?? 'X';
  return state === 'Z' || state === 'X' ? undefined : Number(fields[STARTTIME - STATE]);
}
