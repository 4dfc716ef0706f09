import { InvalidArgumentError } from 'commander';
import { parseCpuList } from '../switch/cpulist.js';
import type { Settings } from '../switch/settings.js';
import { VLAN_FAULT, parseVlan } from '../switch/vlan.js';

/** Values of options that `start` and the old sample have in common. */

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
  if (text === '0' || text === '1') return text === '0' ? 'off' : 'software';
  if (text !== '2') throw new InvalidArgumentError('0, 1 or 2.');
  throw new InvalidArgumentError('2 needs a card that switches between guests (VMDQ), which is not supported yet.');
}
