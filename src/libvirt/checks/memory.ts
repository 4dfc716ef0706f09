import type { CheckFacts } from './facts.js';
import { modeOf } from './facts.js';
import type { Domain } from '../domain/domain.js';
import { shortagesOf } from '../domain/memory-demand.js';
import type { Shortage } from '../domain/memory-demand.js';
import type { Check, Finding } from './check.js';

/** Guest memory: shared with the back end, and there at all. */

function attachCommand(domain: Domain): string {
  return `vhost-host vm attach ${domain.name}`;
}

const hasVhostUser = (domain: Domain): boolean => domain.nics.some(({ type }) => type === 'vhostuser');
const usesWrapper = (domain: Domain, facts: CheckFacts): boolean =>
  domain.nics.some((nic) => modeOf(domain, nic, facts.ours) === 'wrap');

/** The parts that are mapped privately: what a cell or DIMM says for itself goes before what is said for all. */
function unsharedParts(domain: Domain): string[] {
  const { access } = domain.backing;
  return domain.parts.filter((part) => (part.access ?? access) !== 'shared').map(({ title }) => title);
}

/** Another switch's guests are not moved to ours to fix their memory. */
function sharingCommand(domain: Domain, facts: CheckFacts): string {
  if (domain.nics.some((nic) => modeOf(domain, nic, facts.ours) !== undefined)) return attachCommand(domain);
  return `virsh edit ${domain.name}: <access mode='shared'/> in <memoryBacking>`;
}

function notShared(domain: Domain, facts: CheckFacts): Finding[] {
  const unshared = hasVhostUser(domain) ? unsharedParts(domain) : [];
  if (unshared.length === 0) return [];
  const reason = `memory of ${unshared.join(', ')} is not shared: the link comes up, and no frame ever arrives`;
  return [{ level: 'error', element: '<memoryBacking><access mode=>', reason, fix: sharingCommand(domain, facts) }];
}

function pluggedLater(domain: Domain, facts: CheckFacts): Finding[] {
  if (!domain.growable || hasVhostUser(domain) || !usesWrapper(domain, facts)) return [];
  if (domain.backing.access === 'shared') return [];
  const reason = 'qemu-wrap never sees memory that is plugged in while the guest runs, and libvirt makes it private';
  return [{ level: 'warning', element: '<maxMemory>', reason, fix: `${attachCommand(domain)} --mode wrap` }];
}

function onDisk(domain: Domain, facts: CheckFacts): Finding[] {
  const { hugepages, source, access } = domain.backing;
  const { path, filesystem } = facts.memoryDir;
  if (hugepages !== undefined || source === 'memfd' || (access !== 'shared' && source !== 'file')) return [];
  if (filesystem === 'tmpfs' || filesystem === 'hugetlbfs') return [];
  const reason = `the guest's memory is a file in ${path}, on ${filesystem}: every page is written to disk`;
  const fix = `virsh edit ${domain.name}: <source type='memfd'/> in <memoryBacking>`;
  return [{ level: 'warning', element: '<memoryBacking><source>', reason, fix }];
}

/** A guest that runs has its pages already. */
function shortages(domain: Domain, facts: CheckFacts, kind: Shortage['kind']): Finding[] {
  const { hugepages } = domain.backing;
  if (hugepages === undefined || facts.running) return [];
  return shortagesOf(domain, hugepages, facts.pools)
    .filter((shortage) => shortage.kind === kind)
    .map(({ reason, fix }) => ({ level: 'error', element: '<memoryBacking><hugepages>', reason, fix }));
}

export const MEMORY_CHECKS: readonly Check[] = [
  {
    id: 'memory-not-shared',
    title: 'the switch can reach the memory of every vhost-user guest',
    stopsStart: true,
    run: notShared,
  },
  { id: 'memory-plugged-later', title: 'memory plugged in later is shared as well', run: pluggedLater },
  { id: 'memory-on-disk', title: 'shared memory is not a file on a disk', run: onDisk },
  {
    id: 'hugepages-unknown',
    title: 'the kernel has hugepages of the size asked for',
    stopsStart: true,
    run: (domain, facts) => shortages(domain, facts, 'size-unknown'),
  },
  {
    id: 'hugepages-misfit',
    title: 'memory sizes are whole numbers of hugepages',
    run: (domain, facts) => shortages(domain, facts, 'misfit'),
  },
  {
    id: 'hugepages-too-few',
    title: 'enough hugepages are free, on the right nodes',
    stopsStart: true,
    run: (domain, facts) => shortages(domain, facts, 'too-few'),
  },
];
