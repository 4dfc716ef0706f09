import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** The machine's processes and devices, as its kernel tells of them. */

function textOf(pid: string, file: 'comm' | 'stat'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8').trim();
  } catch {
    return ''; // It has ended.
  }
}

const all = (): string[] => readdirSync('/proc').filter((pid) => /^\d+$/.test(pid));

/** Those of this name, of which the kernel keeps 15 bytes. */
export function pidsOf(name: string): number[] {
  return all()
    .filter((pid) => textOf(pid, 'comm') === name.slice(0, 15))
    .map(Number);
}

/** Those that wait for the kernel and cannot be killed, by name. */
export function stuck(): string[] {
  return all()
    .filter((pid) => /^D /.test(textOf(pid, 'stat').split(') ').at(-1) ?? ''))
    .map((pid) => `${textOf(pid, 'comm')} (${pid})`);
}

/** What a process has open. */
export function opened(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
}

export const freePages = (): string => readFileSync('/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages', 'utf8');

/** Names of all devices made with CUSE. */
export const cuseDevices = (): string[] => readdirSync('/sys/class/cuse');
