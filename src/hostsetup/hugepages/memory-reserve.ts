import { VhostHostError } from '../../common/errors.js';
import type { Pools } from '../../host/kernel/hugepages.js';
import { GIB, MIB, shortSize } from '../../common/bytes.js';
import type { PoolSpec } from './spec.js';
import type { Growth } from './growth.js';

/** A host that has no memory left but hugepages does not work, and one that starts like that does not even start. */

/** Bytes. An eighth of the memory, but no more than a host without guests needs. */
export function defaultFloor(totalBytes: number): number {
  return Math.min(Math.floor(totalBytes / 8), 4 * GIB);
}

/** `1.5 GiB`, `512 MiB`: for amounts that are no round ones. */
function amount(bytes: number): string {
  return bytes >= GIB ? `${(bytes / GIB).toFixed(1)} GiB` : `${Math.floor(bytes / MIB)} MiB`;
}

function refuse(what: string, needed: number, there: number, floor: number, kind: string): never {
  const most = Math.max(0, there - floor);
  throw new VhostHostError(
    'SETUP_REFUSED',
    `${what} needs ${amount(needed)}, but of ${amount(there)} ${kind} ${amount(floor)} have to stay free`,
    {
      hint: `ask for no more than ${amount(most)} of hugepages`,
      details: { neededBytes: needed, thereBytes: there, floorBytes: floor },
    },
  );
}

export function refuseBelowFloor(growths: readonly Growth[], availableBytes: number, floor: number): void {
  const grows = growths.filter(({ targets }) => targets.length > 0);
  const pages = grows.map(({ spec, targets }) => ({
    size: spec.pageSize,
    count: targets.reduce((sum, { current, wanted }) => sum + wanted - current, 0),
  }));
  const needed = pages.reduce((sum, { size, count }) => sum + size * count, 0);
  if (needed === 0 || availableBytes - needed >= floor) return;
  const what = pages.map(({ size, count }) => `${count} × ${shortSize(size)}`).join(' and ');
  refuse(`reserving ${what} more`, needed, availableBytes, floor, 'available memory');
}

/** What the next start is going to reserve; of sizes that nobody speaks of, what is there now. */
export function refuseAtStart(
  specs: readonly PoolSpec[],
  { pools }: Pick<Pools, 'pools'>,
  totalBytes: number,
  floor: number,
): void {
  const sizes = new Set([...specs, ...pools].map(({ pageSize }) => pageSize));
  const needed = [...sizes].reduce((sum, size) => {
    const asked = specs.filter(({ pageSize }) => pageSize === size);
    const onNodes = asked.filter(({ node }) => node !== undefined).reduce((pages, { count }) => pages + count, 0);
    const onHost = asked.filter(({ node }) => node === undefined).map(({ count }) => count);
    const there = pools.find(({ pageSize }) => pageSize === size)?.total ?? 0;
    return sum + size * Math.max(there, onNodes, ...onHost);
  }, 0);
  if (totalBytes - needed < floor) refuse('reserving hugepages at each start', needed, totalBytes, floor, 'memory');
}
