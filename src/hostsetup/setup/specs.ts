import { GIB, shortSize } from '../../common/bytes.js';
import type { HostFacts } from '../facts/index.js';
import type { KernelArgsSpec } from '../kernel/spec.js';
import { SWITCH_PAGE } from './choices.js';
import type { Choices } from './choices.js';
import type { PoolSpec } from '../hugepages/spec.js';
import type { MountSpec } from '../mounts/spec.js';

/** What the choices mean for each of the planners; pure. */

/** What `setup` is told besides, and does not ask for. */
export interface Settings {
  /** The system runs, and is changed at once; else it is an image. */
  readonly now: boolean;
  /** NUMA nodes to take the pages from, evenly; none: the kernel spreads them. */
  readonly nodes: readonly number[];
  /** Fewer pages than are reserved for each start, where fewer are wanted. */
  readonly shrink: boolean;
  /** Also what devices in the manner of vhost-cuse need. */
  readonly cuse: boolean;
  /** The service as a user of its own; undefined: as before. */
  readonly ownUser: boolean | undefined;
  readonly nicDriver: 'vfio-pci' | 'uio_pci_generic';
  readonly forceNic: boolean;
  /** Absolute path of bin/vhost-host on the system that is set up. */
  readonly binary: string;
  /** The switch's configuration file there. */
  readonly config: string | undefined;
  /** Group that QEMU runs as; undefined where it runs as root, or nobody knows. */
  readonly qemuGid: number | undefined;
}

/** Pages of one size, altogether. */
export interface SizedPages {
  readonly pageSize: number;
  readonly count: number;
}

/** Guests' pages first. Of one size there is one pool, whoever takes its pages. */
export function pagesOf({ guestMemory, pageSize, switchPages }: Choices): SizedPages[] {
  const guests = Math.ceil(guestMemory / pageSize);
  const same = pageSize === SWITCH_PAGE;
  const all = [
    { pageSize, count: same ? guests + switchPages : guests },
    { pageSize: SWITCH_PAGE, count: same ? 0 : switchPages },
  ];
  return all.filter(({ count }) => count > 0);
}

/** Pages of a gigabyte and more are found at boot, while memory is in one piece, and hardly ever later. */
export function atBoot(pages: readonly SizedPages[]): boolean {
  return pages.some(({ pageSize }) => pageSize >= GIB);
}

/** The first nodes get one more where it does not come out even. */
export function shareOut(count: number, nodes: readonly number[]): { readonly node: number; readonly count: number }[] {
  const least = Math.floor(count / nodes.length);
  return nodes.map((node, i) => ({ node, count: least + (i < count % nodes.length ? 1 : 0) }));
}

/** One unit on the kernel's command line: with a large default size the small pages must be named as well. */
function hugepagesOf(
  pages: readonly SizedPages[],
  { nodes, shrink }: Pick<Settings, 'nodes' | 'shrink'>,
): KernelArgsSpec['hugepages'] {
  const [first] = pages;
  if (first === undefined || !atBoot(pages)) return undefined;
  const countOf = (count: number): number | string =>
    nodes.length === 0
      ? count
      : shareOut(count, nodes)
          .map((share) => `${share.node}:${share.count}`)
          .join(',');
  return {
    defaultSize: shortSize(first.pageSize),
    pools: pages.map(({ pageSize, count }) => ({ size: shortSize(pageSize), count: countOf(count) })),
    ...(shrink ? { shrink } : {}),
  };
}

/** undefined where the boot loader has nothing to do with it. */
export function kernelArgsSpecOf(facts: HostFacts, choices: Choices, settings: Settings): KernelArgsSpec | undefined {
  const hugepages = hugepagesOf(pagesOf(choices), settings);
  const { cpuVendor, kernel } = facts.system;
  const needsIommu = choices.nic !== undefined && settings.nicDriver === 'vfio-pci' && facts.iommu.groups === 0;
  // An image may start on either; Intel's argument is the one that is needed, and AMD's driver has no use for it.
  const vendor = kernel === undefined ? 'intel' : cpuVendor;
  const iommu = needsIommu ? vendor : undefined;
  if (hugepages === undefined && iommu === undefined) return undefined;
  return { ...(hugepages === undefined ? {} : { hugepages }), ...(iommu === undefined ? {} : { iommu }) };
}

export function poolSpecsOf(pages: readonly SizedPages[], nodes: readonly number[]): PoolSpec[] {
  if (nodes.length === 0) return [...pages];
  return pages.flatMap(({ pageSize, count }) =>
    shareOut(count, nodes)
      .filter((share) => share.count > 0)
      .map((share) => ({ pageSize, ...share })),
  );
}

const GUESTS = '/dev/hugepages';
const SWITCH = '/mnt/huge';
/** The group may make files, and nobody removes those of others. */
const MODE = 0o1770;

export function mountSpecsOf(pages: readonly SizedPages[], qemuGid: number | undefined): MountSpec[] {
  const rights = qemuGid === undefined ? {} : { gid: qemuGid, mode: MODE };
  return pages.map(({ pageSize, count }, i) => ({
    path: i === 0 ? GUESTS : SWITCH,
    pageSize,
    bytes: count * pageSize,
    ...rights,
  }));
}
