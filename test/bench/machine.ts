import { readFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { allowedCpus as cpusIn } from '../../src/switch/model/cpulist.js';

export interface Machine {
  readonly processor: string;
  readonly cpus: number;
  readonly memoryMb: number;
  readonly kernel: string;
  /** Whether a hypervisor runs this machine: then the CPUs are somebody else's too. */
  readonly virtual: boolean;
}

export async function machineFacts(): Promise<Machine> {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    memoryMb: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    virtual: /^flags\s*:.*\bhypervisor\b/m.test(await readFile('/proc/cpuinfo', 'utf8')),
  };
}

/** CPUs of this process, e.g. [0, 1]. */
export async function allowedCpus(): Promise<readonly number[]> {
  return cpusIn(await readFile('/proc/self/status', 'utf8')) ?? [];
}
