import type { Domain } from '../domain/domain.js';
import { EMULATOR_CHECKS } from './emulator.js';
import type { CheckFacts } from './facts.js';
import { MEMORY_CHECKS } from './memory.js';
import { NIC_CHECKS } from './nic.js';

/**
 * What libvirt accepts without a word and what then fails, mostly without a word as well. Each check
 * is a record: what it looks for, and a pure function from domain and host facts to what it found.
 */

export type Level = 'error' | 'warning';

export interface Finding {
  readonly level: Level;
  /** The element that it is about. */
  readonly element: string;
  readonly reason: string;
  /** The command or edit that mends it. */
  readonly mend: string;
}

export interface Check {
  readonly id: string;
  readonly title: string;
  /** Its errors keep a guest on our switch from starting, or from ever being reached: no use in starting it. */
  readonly stopsStart?: true;
  run(domain: Domain, facts: CheckFacts): readonly Finding[];
}

export const CHECKS: readonly Check[] = [...MEMORY_CHECKS, ...NIC_CHECKS, ...EMULATOR_CHECKS];

/** Everything there is to find, errors first. */
export function checkDomain(domain: Domain, facts: CheckFacts): (Finding & { readonly id: string })[] {
  const found = CHECKS.flatMap((check) => check.run(domain, facts).map((finding) => ({ id: check.id, ...finding })));
  return found.sort((a, b) => Number(a.level === 'warning') - Number(b.level === 'warning'));
}

/** What a guest on our switch must not be started with. */
export function startErrors(domain: Domain, facts: CheckFacts): Finding[] {
  return CHECKS.filter(({ stopsStart }) => stopsStart === true)
    .flatMap((check) => check.run(domain, facts))
    .filter(({ level }) => level === 'error');
}
