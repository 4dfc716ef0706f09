import { VhostHostError } from '../../common/errors.js';
import { DOMAIN } from './change-list.js';
import type { Draft } from './change-list.js';
import type { Domain } from '../domain/domain.js';
import { fittingPageSize, shortagesOf } from '../domain/memory-demand.js';
import type { Pools } from '../../host/kernel/hugepages.js';
import { GIB, KIB, MIB, sizeText } from '../../common/bytes.js';

/** Memory that the switch can reach: shared, with a descriptor, in hugepages where there are some. */

export const HUGEPAGE_CHOICES = ['auto', 'none', '2M', '1G'] as const;
export type HugepageChoice = (typeof HUGEPAGE_CHOICES)[number];

const SIZES: Readonly<Record<'2M' | '1G', number>> = { '2M': 2 * MIB, '1G': GIB };

function askFor(draft: Draft, pageSize: number): void {
  // In libvirt's own words, so that what it prints later is what was written.
  const xml = `<hugepages><page size='${pageSize / KIB}' unit='KiB'/></hugepages>`;
  draft.set(DOMAIN, 'memory-hugepages', xml, `memory in hugepages of ${sizeText(pageSize)}`);
}

function insist(draft: Draft, domain: Domain, pageSize: number, pools: Pools, running: boolean): void {
  const shortage = shortagesOf(domain, [{ pageSize, cells: undefined }], pools)[0];
  const holdsThem = running && domain.backing.hugepages !== undefined;
  if (shortage !== undefined && !(holdsThem && shortage.kind === 'too-few')) {
    throw new VhostHostError('HUGEPAGES_TOO_FEW', `${domain.name}: ${shortage.reason}`, { hint: shortage.fix });
  }
  askFor(draft, pageSize);
}

function chooseHugepages(draft: Draft, domain: Domain, choice: HugepageChoice, pools: Pools, running: boolean): void {
  const { hugepages, source } = domain.backing;
  if (choice === 'none') {
    draft.set(DOMAIN, 'memory-hugepages', null, 'memory in ordinary pages, as asked for');
  } else if (choice !== 'auto') {
    insist(draft, domain, SIZES[choice], pools, running);
  } else if (hugepages !== undefined) {
    const shortages = running ? [] : shortagesOf(domain, hugepages, pools);
    for (const { reason, fix } of shortages) draft.note(`${reason}; it will not start before: ${fix}`, 'warning');
  } else if (source === undefined || source === 'anonymous') {
    const pageSize = fittingPageSize(domain, pools);
    if (pageSize !== undefined) askFor(draft, pageSize);
    else draft.note('no size of hugepages fits the guest and is free: its memory is shared in ordinary pages');
  }
}

/** Edits memoryBacking and what overrides it; what is there already is kept where it serves. */
export function planMemory(draft: Draft, domain: Domain, choice: HugepageChoice, pools: Pools, running: boolean): void {
  chooseHugepages(draft, domain, choice, pools, running);
  const { source, hugepages } = domain.backing;
  // Hugepages that were there come from a mount that libvirt knows; any other memory is best off with no mount at all.
  const mounted = hugepages !== undefined && choice !== 'none' && source !== 'anonymous';
  if ((source === undefined && !mounted) || source === 'anonymous') {
    draft.set(DOMAIN, 'memory-source', 'memfd', 'memory with a descriptor that can be handed to the switch');
  }
  const why = 'memory shared: without that the link is up and no frame ever arrives';
  draft.set(DOMAIN, 'memory-access', 'shared', why);
  for (const { id } of domain.cells) draft.set({ kind: 'cell', id }, 'cell-access', 'shared', why);
  for (const { module, access } of domain.parts) {
    if (module === undefined || access === undefined) continue;
    draft.set({ kind: 'module', index: module }, 'module-access', 'shared', why);
  }
}
