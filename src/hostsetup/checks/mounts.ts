import { shortSize, sizeText } from '../../common/bytes.js';
import { SETUP, error, info, ok, warning } from './check.js';
import type { Check, Outcome, Subject } from './check.js';

/** hugetlbfs: mounted for each size in use, and again after a reboot, with the right size. */

/** libvirt wants a mount of the size that a domain asks for; qemu-wrap and memfd do without. */
function mounted({ host, around }: Subject): Outcome[] {
  const asked = new Set(around.domains.flatMap(({ pages }) => pages.map(({ pageSize }) => pageSize)));
  const sizes = host.pools.pools.filter(({ pageSize, total }) => total > 0 || asked.has(pageSize));
  return sizes.map(({ pageSize }) => {
    const size = sizeText(pageSize);
    const places = host.mounts.mounted.filter((mount) => mount.pageSize === pageSize).map(({ path }) => path);
    if (places.length > 0) return ok(`${size} at ${places.join(', ')}`);
    const directory =
      pageSize === host.pools.defaultPageSize ? '/dev/hugepages' : `/dev/hugepages-${shortSize(pageSize)}`;
    const fix = `sudo mkdir -p ${directory} && sudo mount -t hugetlbfs -o pagesize=${shortSize(pageSize)} none ${directory}`;
    const reason = `no hugetlbfs of ${size} is mounted`;
    return asked.has(pageSize) ? error(`${reason}, and libvirt needs one for its guests`, fix) : warning(reason, fix);
  });
}

function kept({ host }: Subject): Outcome[] {
  const { mounted: now, kept: later } = host.mounts;
  return now.map(({ path }) => {
    const written = later.find((mount) => mount.path === path);
    const source = written?.source;
    if (written?.atStart === false) return info(`${path} is in ${source}, but nothing mounts it at a start`, SETUP);
    if (source === undefined) return info(`${path} is mounted by hand: it is not after a reboot`, SETUP);
    return ok(`${path} by ${source}`);
  });
}

/** The page size that a line says against what the kernel has, and what is mounted there. */
function right({ host }: Subject): Outcome[] {
  const { mounted: now, kept } = host.mounts;
  const later = kept.filter(({ atStart }) => atStart);
  const { pools } = host.pools;
  return later.flatMap(({ path, pageSize, source }) => {
    const line = `${source}: ${path} with pages of ${sizeText(pageSize)}`;
    const edit = `sudoedit ${source}`;
    if (pools.length > 0 && !pools.some((pool) => pool.pageSize === pageSize)) {
      return [error(`${line}, which this kernel has not: it cannot be mounted`, edit)];
    }
    const there = now.filter((mount) => mount.path === path).at(-1);
    if (there !== undefined && there.pageSize !== pageSize) {
      return [warning(`${line}, and mounted now is one of ${sizeText(there.pageSize)}`, edit)];
    }
    // The recipe of 2014 gives both of its mounts the larger size, and the smaller pages none.
    const same = later.some((mount) => mount.path !== path && mount.pageSize === pageSize);
    const without = pools.find((pool) => pool.total > 0 && !later.some((mount) => mount.pageSize === pool.pageSize));
    if (same && without !== undefined && source === '/etc/fstab') {
      const size = shortSize(without.pageSize);
      return [warning(`${line}, as another mount has; those of ${size} have none: pagesize=${size} was meant?`, edit)];
    }
    return [ok(line)];
  });
}

const group = 'hugepages';

export const MOUNT_CHECKS: readonly Check[] = [
  { id: 'hugetlbfs', title: 'mounted', group, live: true, states: ['ok', 'warning', 'error'], run: mounted },
  { id: 'hugetlbfs-kept', title: 'mounted after a reboot', group, live: true, states: ['ok', 'info'], run: kept },
  {
    id: 'hugetlbfs-size',
    title: 'mounted with the right size',
    group,
    live: false,
    states: ['ok', 'warning', 'error'],
    run: right,
  },
];
