import { InvalidArgumentError } from 'commander';
import { DevBaseName } from '../../switch/config/config.js';
import { parseCpuList } from '../../switch/model/cpulist.js';
import type { Settings } from '../../switch/config/settings.js';
import { VLAN_FAULT, parseVlan } from '../../switch/model/vlan.js';

/** Values of options that `start` and DPDK's vhost example have in common. */

export function parseSwitch(text: string): boolean {
  if (text === '0' || text === '1') return text === '1';
  throw new InvalidArgumentError('0 or 1.');
}

export function parseCount(text: string): number {
  const value = /^\d{1,7}$/.test(text) ? Number(text) : NaN;
  if (value <= 1_000_000) return value;
  throw new InvalidArgumentError('a whole number up to 1000000.');
}

export function parseWorkers(text: string): readonly number[] {
  const result = parseCpuList(text);
  if ('cpus' in result) return result.cpus;
  throw new InvalidArgumentError(`${result.reason}.`);
}

export function parseVlanMode(text: string): string {
  if (parseVlan(text) !== undefined) return text;
  throw new InvalidArgumentError(`It ${VLAN_FAULT}.`);
}

export function parseVm2vm(text: string): Settings['vm2vm'] {
  const mode = ({ 0: 'off', 1: 'software', 2: 'hardware' } as const)[text];
  if (mode !== undefined) return mode;
  throw new InvalidArgumentError('0, 1 or 2.');
}

export function parseDevBaseName(text: string): string {
  const result = DevBaseName.safeParse(text);
  if (result.success) return result.data;
  throw new InvalidArgumentError(`It ${result.error.issues[0]?.message ?? 'is no name'}.`);
}
