import type { Domain } from '../domain/domain.js';
import { EMULATOR_CHECKS } from './emulator.js';
import type { CheckFacts } from './facts.js';
import { MEMORY_CHECKS } from './memory.js';
import { NIC_CHECKS } from './nic.js';
import type { Check, Finding } from './check.js';

/**
 * What libvirt accepts without a word and what then fails, mostly without a word as well. Each check
 * is a record: what it looks for, and a pure function from domain and host facts to what it found.
 */

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
