import { MIB, sizeText, shortSize } from '../../common/bytes.js';
import type { BootMethod } from '../boot/method.js';
import type { HostFacts } from '../facts/index.js';
import { demandOf, pageSizes } from './choices.js';

const inMib = (bytes: number): string => sizeText(Math.floor(bytes / MIB) * MIB);

function hugepages({ pools, mounts }: HostFacts): string {
  const there = pools.pools.filter(({ total }) => total > 0);
  const said = there.map(({ pageSize, total, free }) => `${total} of ${sizeText(pageSize)} (${free} free)`);
  const where = mounts.mounted.map(({ path, pageSize }) => `${path} (${shortSize(pageSize)})`);
  return `${said.join(', ') || 'none'}; mounted: ${where.join(', ') || 'nowhere'}`;
}

const BOOT: Readonly<Record<Exclude<BootMethod['kind'], 'by-hand'>, string>> = {
  bls: 'in the boot entries (BLS)',
  'drop-in': 'in /etc/default/grub.d, by update-grub',
  'loader-entries': 'in the entries of systemd-boot',
  both: 'in the files of GRUB and of systemd-boot, which are both there',
  grub: 'in /etc/default/grub, by grub-mkconfig',
  proxmox: 'by proxmox-boot-tool',
  'kernel-install': 'in /etc/kernel/cmdline, by kernel-install',
  'rpm-ostree': 'by rpm-ostree kargs',
};

/** What the wizard has found out, before its first question. */
export function surveyLines(facts: HostFacts, boot: BootMethod, domains: readonly number[] | undefined): string[] {
  const { system, iommu, nics, modules } = facts;
  const { total, available } = system.memory;
  const nodes = system.nodes.length > 1 ? `, ${system.nodes.length} NUMA nodes` : '';
  const has = [...modules].filter(([, state]) => state === 'loaded' || state === 'built-in').map(([name]) => name);
  const lines: [string, string][] = [
    ['system', `${system.distribution.title}${system.kernel === undefined ? '' : `, kernel ${system.kernel}`}`],
    ['kernel arguments', boot.kind === 'by-hand' ? boot.reason : BOOT[boot.kind]],
    ...(total > 0 ? [['memory', `${inMib(available)} of ${inMib(total)} available${nodes}`] as [string, string]] : []),
    ['page sizes', pageSizes(facts).map(sizeText).join(', ') || 'none'],
    ['hugepages', hugepages(facts)],
    ['modules', has.join(', ') || 'none of those that matter'],
    ['IOMMU', iommu.groups > 0 ? `${iommu.groups} groups` : iommu.inFirmware ? 'off' : 'none'],
    ['network cards', nics.map(({ address, interfaces }) => [address, ...interfaces].join(' ')).join(', ') || 'none'],
    [
      'libvirt',
      domains === undefined ? 'no domains known' : `${domains.length} domains, ${sizeText(demandOf(domains))} together`,
    ],
  ];
  return lines.map(([name, value]) => `${name}: ${value}`);
}
