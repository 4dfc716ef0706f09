import { VhostHostError } from '../../common/errors.js';
import { GIB, MIB, shortSize, sizeText } from '../../common/bytes.js';
import type { HostFacts } from '../facts/index.js';

/** What `setup` has to be told, be it by flags, by answers, or by leaving it at the proposals. */
export interface Choices {
  /** Memory for guests, in bytes. */
  readonly guestMemory: number;
  /** Pages that it is made of, in bytes. */
  readonly pageSize: number;
  /** Pages of `SWITCH_PAGE` for the switch itself. */
  readonly switchPages: number;
  /** PCI address of the card that the switch gets. */
  readonly nic: string | undefined;
  /** Whether the switch is started at every boot. */
  readonly boot: boolean;
  /** Whether packages that are missing are installed. */
  readonly install: boolean;
}

/** The recipe's: the switch's own memory lies in pages of 2 MiB. */
export const SWITCH_PAGE = 2 * MIB;
const SWITCH_PAGES = 256;

/** Sizes that guests' memory may be made of, the largest first. An image's kernel and processor cannot be asked. */
export function pageSizes(facts: HostFacts): number[] {
  const { system, pools } = facts;
  const known = pools.pools.map(({ pageSize }) => pageSize);
  if (system.kernel === undefined && known.length === 0) return [GIB, SWITCH_PAGE];
  const sizes = system.cpuFlags.has('pdpe1gb') ? [GIB, ...known] : known;
  return [...new Set(sizes)].sort((a, b) => b - a);
}

/** Memory of the domains, each in bytes, as the recipe counts it: in whole gigabytes. */
export function demandOf(domains: readonly number[]): number {
  return Math.ceil(domains.reduce((sum, bytes) => sum + bytes, 0) / GIB) * GIB;
}

/** QEMU wants memory in whole pages, so large ones are proposed only where they suit every domain. */
function proposedSize(facts: HostFacts, domains: readonly number[]): number {
  const sizes = pageSizes(facts).filter((size) => size <= GIB);
  const gigabytes = sizes.includes(GIB) && facts.system.kernel !== undefined;
  if (gigabytes && domains.every((bytes) => bytes % GIB === 0)) return GIB;
  return sizes.find((size) => size < GIB) ?? sizes[0] ?? SWITCH_PAGE;
}

export interface Found {
  /** Memory of each domain that libvirt knows, in bytes. */
  readonly domains: readonly number[];
  /** Something could start the switch at boot. */
  readonly systemd: boolean;
}

export function propose(facts: HostFacts, { domains, systemd }: Found): Choices {
  const pageSize = proposedSize(facts, domains);
  return {
    guestMemory: demandOf(domains),
    pageSize,
    switchPages: hasSwitchPages(facts) ? SWITCH_PAGES : 0,
    nic: undefined,
    boot: systemd,
    install: false,
  };
}

/** Kernels with larger base pages have none of this size. */
export function hasSwitchPages(facts: HostFacts): boolean {
  return pageSizes(facts).includes(SWITCH_PAGE);
}

/** Why these bytes cannot be the size of a page here. */
export function wrongPageSize(facts: HostFacts, pageSize: number): string | undefined {
  const sizes = pageSizes(facts);
  if (sizes.includes(pageSize)) return undefined;
  const has = sizes.map(shortSize).join(', ') || 'none';
  return `no pages of ${sizeText(pageSize)} here: the kernel and the processor have ${has}`;
}

/** Refuses what this host cannot have, before anything is planned. */
export function checkChoices(facts: HostFacts, choices: Choices): void {
  const wrong = choices.guestMemory > 0 ? wrongPageSize(facts, choices.pageSize) : undefined;
  if (wrong !== undefined) throw new VhostHostError('USAGE', `--page-size: ${wrong}`, { hint: '--page-size 2M' });
  if (choices.switchPages > 0 && !hasSwitchPages(facts)) {
    throw new VhostHostError('USAGE', `--switch-pages: this kernel has no pages of ${sizeText(SWITCH_PAGE)}`, {
      hint: '--switch-pages 0',
    });
  }
}
